"""Below the prefix all is Latchkey's, as if it stood alone; beside it all is the host's."""

from __future__ import annotations

import pytest
import requests

from app.http.headers import API_POLICY
from tests.hosting.conftest import StartHosted
from tests.support.hosts import POLICY, PREFIX, Hosted
from tests.support.raw import exchange, request_head
from tests.support.service import PASSWORD

JSON = {"Content-Type": "application/json"}
SSH = {
    "name": "web",
    "type": "sshes",
    "data": {"host": "192.0.2.7", "username": "reza", "password": "s3cret"},
}
ME = "/api/auth/me"


def test_a_user_registers_signs_in_and_keeps_a_secret(service: Hosted) -> None:
    user = service.user()
    signed_in = service.call(
        "POST", "/api/auth/login", json={"username": user.username, "password": PASSWORD}
    )
    assert signed_in.status_code == 200
    user.token = signed_in.json()["access_token"]
    added = user.call("POST", "/api/users/:username/add/connection", json=SSH)
    assert added.status_code == 201, added.text
    id = added.json()["id"]
    read = user.call("GET", f"/api/users/:username/get/connection/{id}")
    assert read.json()["data"] == SSH["data"]
    ended = user.call("DELETE", f"/api/users/:username/connection/delete/{id}")
    assert ended.json() == {"message": "deleted connection successfully"}
    assert user.call("GET", f"/api/users/:username/get/connection/{id}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/nowhere", "not_found"),
        ("GET", "/api/nowhere", "not_found"),
        ("GET", "//api/auth/me", "token_missing"),  # slashes before a path count as one, here as alone
        ("GET", "/api//auth/me", "not_found"),
        ("GET", "/api/auth/me/", "not_found"),
        ("GET", "/api/%0A", "not_found"),
        ("GET", "/api/%FF", "not_found"),
        ("DELETE", "/api/auth/login", "method_not_allowed"),
        ("PROPFIND", ME, "method_not_allowed"),
        ("BREW", ME, "method_not_allowed"),
        ("POST", "/api/auth/login", "not_json"),
        ("GET", ME, "token_missing"),
    ],
)
def test_what_fails_below_it_is_said_by_us(service: Hosted, method: str, path: str, code: str) -> None:
    answer = service.call(method, path, data=b"x=1" if method == "POST" else None)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["code"] == code


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", f"{PREFIX}s", 404),
        ("GET", f"{PREFIX}.txt", 404),
        ("POST", "/me", 405),
        ("GET", ME, 404),
    ],
)
def test_what_fails_beside_it_is_said_by_the_host(
    service: Hosted, method: str, path: str, status: int
) -> None:
    answer = service.at_host(method, path)
    assert (answer.status_code, answer.text) == (status, f"the host says {status}")
    assert answer.headers["Content-Security-Policy"] == POLICY


def test_the_front_page_and_its_style(service: Hosted) -> None:
    page = service.call("GET", "", allow_redirects=True)
    assert (page.status_code, page.url) == (200, f"{service.url}/")
    assert f'href="{PREFIX}/static/latchkey.css"' in page.text
    style = service.call("GET", "/static/latchkey.css")
    assert style.status_code == 200 and style.headers["Content-Type"].startswith("text/css")
    again = {"If-None-Match": style.headers["ETag"]}
    assert service.call("GET", "/static/latchkey.css", headers=again).status_code == 304
    head = service.call("HEAD", "/static/latchkey.css")
    assert (head.content, head.headers["Content-Length"]) == (b"", str(len(style.content)))


def test_options_are_told_by_us(service: Hosted) -> None:
    answer = service.call("OPTIONS", "/api/auth/login")
    assert set(answer.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}


def test_the_hosts_hooks_change_nothing_of_ours(service: Hosted) -> None:
    answer = service.user().call("GET", "/api/auth/me")
    assert answer.headers["Content-Security-Policy"] == API_POLICY
    assert answer.headers["Cache-Control"] == "no-store"
    assert len(answer.headers["X-Request-Id"]) == 32
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_cors_stays_ours(start_hosted: StartHosted) -> None:
    service = start_hosted(CORS_ORIGINS="https://app.example.com")
    origin = {"Origin": "https://app.example.com"}
    assert service.call("GET", ME, headers=origin).headers["Access-Control-Allow-Origin"] == origin["Origin"]
    other = {"Origin": "https://evil.example"}
    assert "Access-Control-Allow-Origin" not in service.call("GET", ME, headers=other).headers


def test_both_sessions_live_side_by_side(service: Hosted) -> None:
    user, browser = service.user(), requests.Session()
    signed_in = browser.post(f"{service.host_url}/login", {"name": "lena"}, timeout=30)
    begun = browser.post(f"{service.url}/api/connections/github/authorize", headers=user.headers, timeout=30)
    assert begun.status_code == 200
    assert {cookie.name for cookie in browser.cookies} == {"session", "latchkey"}
    assert all(cookie.path == "/" for cookie in browser.cookies)
    page = browser.get(begun.json()["connect_url"], timeout=30)
    assert page.status_code == 200
    assert browser.get(f"{service.host_url}/me", timeout=30).json()["name"] == "lena"
    assert signed_in.status_code == 200


def test_the_tokens_of_one_are_not_the_others(service: Hosted) -> None:
    signed_in = service.at_host("POST", "/login", data={"name": "lena"}).json()
    theirs = {"Authorization": f"Bearer {signed_in['token']}"}
    assert service.at_host("GET", "/api/me", headers=theirs).status_code == 200
    assert service.call("GET", ME, headers=theirs).json()["code"] == "token_invalid"
    assert service.at_host("GET", "/api/me", headers=service.user().headers).status_code == 422


def test_a_body_is_counted_by_our_bound(service: Hosted) -> None:
    assert service.host.config["MAX_CONTENT_LENGTH"] < 5000
    user = service.user()
    path = "/api/users/:username/add/connection"
    long = {**SSH, "data": {**SSH["data"], "password": "x" * 5000}}
    assert user.call("POST", path, json=long).status_code == 201
    longer = user.call("POST", path, data=b"x" * 70_000, headers=JSON)
    assert (longer.status_code, longer.json()["code"]) == (413, "body_too_large")


def test_a_body_in_chunks_arrives(service: Hosted) -> None:
    user = service.user()
    body = b'{"password": "wrong horse"}'
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    head = request_head(
        service,
        f"DELETE {PREFIX}/api/auth/me",
        authorization=f"Bearer {user.token}",
        content_type="application/json",
        transfer_encoding="chunked",
    )
    answer = exchange(service, head, chunks)
    assert (answer.status, b"wrong_password" in answer.content) == (403, True)
