"""Two nodes behind nginx, on one database and one Redis: whichever answers, it is one service."""

from __future__ import annotations

import uuid
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.deploy.nginx import SAID_ONCE
from tests.deploy.site import URL, Site
from tests.support.browser import HTML
from tests.support.service import User
from tests.support.sessions import cookie_of

FORGED = {
    "X-Forwarded-For": "6.6.6.6, 7.7.7.7",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "evil.test",
    "X-Real-IP": "6.6.6.6",
    "Forwarded": "for=6.6.6.6;host=evil.test;proto=http",
}


@pytest.fixture
def user(site: Site) -> User:
    return site.user(f"user-{uuid.uuid4().hex[:12]}")


def node_of(site: Site, answer: requests.Response) -> str:
    """Return which node has given this answer."""
    id = answer.headers["X-Request-Id"]
    return str(site.nginx.wait_for_request(lambda request: request["request_id"] == id)["node"])


@pytest.mark.parametrize("service", ["gmail", "facebook", "github", "spotify", "discord"])
def test_a_flow_ends_on_the_other_node(site: Site, user: User, service: str) -> None:
    ways = set()
    for _ in range(2):
        browser = site.browser()
        begun = browser.call("GET", f"/api/connections/{service}?replace=true", headers=user.headers)
        ended = browser.call("GET", browser.consent(begun.headers["Location"]))
        assert ended.status_code == 200, ended.text
        ways.add((node_of(site, begun), node_of(site, ended)))
        site.call("GET", "/healthz")  # the nodes take turns: the next flow begins on the other one
    assert len(ways) == 2 and all(start != end for start, end in ways)
    tokens = [user.call("GET", f"/api/connections/{service}/token") for _ in range(2)]
    assert len({node_of(site, answer) for answer in tokens}) == 2
    assert len({answer.json()["access_token"] for answer in tokens}) == 1


def test_a_page_of_one_node_is_confirmed_on_the_other(site: Site, user: User) -> None:
    answer = user.call("POST", "/api/connections/github/authorize")
    browser = site.browser()
    browser.headers = HTML
    page = browser.call("GET", answer.json()["connect_url"])
    sent = browser.submit(page)
    assert sent.status_code == 303 and node_of(site, page) != node_of(site, sent)
    assert browser.call("GET", browser.consent(sent.headers["Location"])).status_code == 200


def test_a_secret_is_stored_on_one_and_read_on_the_other(site: Site, user: User) -> None:
    body = {"name": "n", "type": "custom", "data": {"k": "v"}}
    stored = user.call("POST", "/api/users/:username/add/connection", json=body)
    read = user.call("GET", f"/api/users/:username/get/connection/{stored.json()['id']}")
    assert read.json()["data"] == {"k": "v"} and node_of(site, stored) != node_of(site, read)


def test_the_address_is_the_callers_own(site: Site, user: User) -> None:
    for _ in range(2):
        path = f"/api/users/{user.username}/connection/gettokens"
        answer = site.call("GET", path, address="127.0.0.5", headers=user.headers | FORGED)
        assert answer.status_code == 200
    events = user.call("GET", "/api/audit?action=connection.read_all").json()["events"]
    assert [event["address"] for event in events] == ["127.0.0.5"] * 2


def test_forged_headers_change_no_link(site: Site, user: User) -> None:
    for service in ("github", "spotify"):
        path = f"/api/connections/{service}"
        answer = user.call(
            "GET", path, headers=FORGED | {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
        )
        query = parse_qs(urlsplit(answer.headers["Location"]).query)
        assert query["redirect_uri"] == [f"{URL}{path}/callback"]
        assert "evil" not in str(answer.headers)


@pytest.mark.parametrize(
    ("service", "name"), [("github", "__Host-latchkey"), ("spotify", "__Host-latchkey-flow")]
)
def test_cookies_are_of_this_host_alone(user: User, service: str, name: str) -> None:
    answer = user.call("GET", f"/api/connections/{service}")
    found, _, attributes = cookie_of(answer)
    assert found == name
    assert attributes - {"Max-Age=600"} == {"HttpOnly", "Path=/", "SameSite=Lax", "Secure"}


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/", "/api/auth/me", "/api/nowhere", "/connect/x"])
def test_each_header_is_said_once(site: Site, path: str) -> None:
    answer = site.call("GET", path)
    said = answer.raw.headers
    assert all(len(said.getlist(name)) == 1 for name in SAID_ONCE)
    assert said["Strict-Transport-Security"] == "max-age=31536000"
    assert said["Server"] == "nginx"


def test_the_bounds_of_nginx_are_those_of_the_service(site: Site, user: User) -> None:
    head = '{"name": "n", "type": "custom", "data": {"k": "'
    for size, status in ((65536, 201), (65537, 413)):
        body = head + "x" * (size - len(head) - 3) + '"}}'
        assert len(body) == size
        path, media = f"/api/users/{user.username}/add/connection", {"Content-Type": "application/json"}
        answers = [site.call("POST", path, data=body, headers=user.headers | media) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [status] * 2, answers[0].text
    assert answers[0].json() == {"error": "The body is too large", "code": "body_too_large"}


@pytest.mark.parametrize(("length", "status"), [(6000, 401), (9000, 414), (20_000, 414)])
def test_long_tokens_in_the_query(site: Site, length: int, status: int) -> None:
    answer = site.call("GET", f"/api/connections/gmail?token={'t' * length}")
    assert answer.status_code == status and set(answer.json()) == {"error", "code"}
