"""What every answer looks like, whatever was asked: JSON under /api, and headers that protect."""

from __future__ import annotations

import json

import pytest
import requests

import logs
from app.http.headers import API_POLICY
from tests.support.browser import HTML
from tests.support.raw import exchange, request_head
from tests.support.service import Service, StartService, User

CLOSED = {
    "Content-Security-Policy": API_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
FAILURES = [
    ("GET", "/api/nothing", 404, "not_found"),
    ("GET", "/api/connections/", 404, "not_found"),
    ("GET", "/api//connections", 404, "not_found"),
    ("GET", "/api/connections//gmail", 404, "not_found"),
    ("GET", "/api/users/x//get/connections", 404, "not_found"),
    ("GET", "/api/%2e%2e/healthz", 404, "not_found"),
    ("PATCH", "/api/auth/me", 405, "method_not_allowed"),
    ("DELETE", "/api/auth/login", 405, "method_not_allowed"),
    ("PUT", "/api/connections", 405, "method_not_allowed"),
    ("TRACE", "/api/connections", 405, "method_not_allowed"),
    ("BREW", "/api/connections", 405, "method_not_allowed"),
    ("GET", "/api/auth/me", 401, "token_missing"),
    ("GET", "/api/connections/github", 401, "authentication_required"),
    ("POST", "/api/auth/login", 415, "not_json"),
    ("GET", "/api/connections/github/callback", 400, "invalid_session"),
]


@pytest.fixture(scope="module")
def user(service: Service) -> User:
    """Somebody whom these tests share: none looks at another's rows."""
    return service.user()


def assert_closed(answer: requests.Response) -> None:
    assert {name: answer.headers.get(name) for name in CLOSED} == CLOSED
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("headers", [{}, HTML, {"Accept": "image/png"}, {"Accept": ";;"}], ids=str)
@pytest.mark.parametrize(("method", "path", "status", "code"), FAILURES)
def test_failures_under_api_are_json_for_everybody(
    service: Service, method: str, path: str, status: int, code: str, headers: dict[str, str]
) -> None:
    answer = service.call(method, path, headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/json")
    assert set(answer.json()) == {"error", "code"} and answer.json()["code"] == code
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    assert ("Allow" in answer.headers) == (status == 405)
    assert_closed(answer)


def test_a_refused_method_is_told_the_others(service: Service) -> None:
    allowed = service.call("PATCH", "/api/connections/github").headers["Allow"]
    assert set(allowed.split(", ")) == {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}


@pytest.mark.parametrize("path", ["/api/auth/me", "/api/connections/github", "/api/connections"])
def test_options_and_head_have_no_page_in_them(service: Service, user: User, path: str) -> None:
    for method in ("OPTIONS", "HEAD"):
        answer = user.call(method, path, headers=HTML)
        assert answer.status_code in (200, 302) and answer.content == b""
        assert "html" not in answer.headers.get("Content-Type", "")
    assert_closed(user.call("OPTIONS", path))


def test_success_is_closed_too(user: User) -> None:
    for path in ("/api/auth/me", "/api/connections", "/api/users/:username/get/connections", "/healthz"):
        answer = user.call("GET", path, headers=HTML)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
        assert_closed(answer)


def test_a_lost_person_gets_a_page_and_a_lost_program_json(service: Service) -> None:
    page, document = (service.call("GET", "/nothing", headers=headers) for headers in (HTML, {}))
    assert page.status_code == document.status_code == 404
    assert page.headers["Content-Type"].startswith("text/html")
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert document.json()["code"] == "not_found"


def test_transport_security_is_told_over_tls_alone(service: Service, start_service: StartService) -> None:
    over_tls = start_service(PUBLIC_URL="https://latchkey.example")
    answer = over_tls.call("GET", "/api/auth/me", headers={"Host": "latchkey.example"})
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "Strict-Transport-Security" not in service.call("GET", "/api/auth/me").headers


@pytest.mark.parametrize(
    "host", ["evil.example", "", "127.0.0.1.evil.example", "127.0.0.1@evil", "[::1", "a b", "x:y"]
)
def test_an_unknown_host_is_served_nothing_but_health(service: Service, user: User, host: str) -> None:
    for path in ("/api/auth/me", "/", "/api/nothing", "/callback", "/static/x"):
        answer = exchange(service, request_head(service, f"GET {path}", host=host, authorization=user.token))
        assert answer.status == 400, path
        document = json.loads(answer.content)
        assert document == {"error": "This host name is not served here", "code": "unknown_host"}
    for path in ("/healthz", "/readyz"):
        answer = exchange(service, request_head(service, f"GET {path}", host=host))
        assert (answer.status, json.loads(answer.content)) == (200, {"status": "ok"})


def test_an_absolute_form_counts_as_its_host(service: Service, user: User) -> None:
    line = "GET http://evil.example/api/connections/github"
    answer = exchange(service, request_head(service, line, authorization=user.token))
    assert answer.status == 400 and b"evil" not in answer.content


@pytest.mark.parametrize("name", ["X-Forwarded-Host", "Forwarded", "X-Original-URL", "X-Rewrite-URL"])
def test_forwarded_names_are_not_reflected(user: User, name: str) -> None:
    value = "host=evil.example" if name == "Forwarded" else "evil.example"
    answer = user.call("GET", "/api/connections/github", headers={name: value})
    assert answer.status_code == 302 and "evil" not in answer.headers["Location"] + answer.text


def test_a_proxys_word_for_the_host_is_not_taken(start_service: StartService) -> None:
    service = start_service(TRUSTED_PROXIES="1")
    user, ours = service.user(), f"127.0.0.1:{service.port}"
    assert user.call("GET", "/api/auth/me", headers={"X-Forwarded-Host": "evil.example"}).status_code == 200
    refused = user.call("GET", "/api/auth/me", headers={"Host": "evil.example", "X-Forwarded-Host": ours})
    assert (refused.status_code, refused.json()["code"]) == (400, "unknown_host")


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_nothing_overrides_the_method(user: User, name: str) -> None:
    body = {"name": "n", "type": "spotify", "data": {"token": "t"}}
    id = user.call("POST", "/api/users/:username/add/connection", json=body).json()["id"]
    path = f"/api/users/:username/connection/delete/{id}"
    for kwargs in (
        {"headers": {name: "DELETE"}},
        {"params": {"_method": "DELETE"}},
        {"data": {"_method": "DELETE"}},
    ):
        assert user.call("POST", path, **kwargs).status_code == 405
    read = user.call("GET", f"/api/users/:username/get/connection/{id}", headers={name: "DELETE"})
    assert read.status_code == 200
    assert user.call("GET", f"/api/users/:username/check/connection/{id}").json() == {"message": "true"}


@pytest.mark.parametrize(
    "path", ["//api/connections", "///api/connections", "/api/connections?x=//evil.example"]
)
def test_doubled_slashes_redirect_nobody(service: Service, user: User, path: str) -> None:
    answer = exchange(service, request_head(service, f"GET {path}", authorization=user.token))
    assert answer.status in (200, 400, 404) and answer.headers["Location"] is None


def test_a_mounted_path_without_its_slash_leads_to_the_pages(service: Service) -> None:
    environ = {"SCRIPT_NAME": "/mounted", "PATH_INFO": "", "QUERY_STRING": "a=%C3%A9"}
    answer = service.app.test_client().get("/", environ_overrides=environ)
    assert (answer.status_code, answer.headers["Location"]) == (308, "http://localhost/mounted/?a=%C3%A9")


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        (
            {"Connection": "Upgrade", "Upgrade": "websocket"},
            400,
            "invalid_request",
        ),  # no route is a WebSocket
        ({"Upgrade": "h2c"}, 200, None),
        ({"Host": "a..b"}, 400, "unknown_host"),  # no name of a host, although /healthz is for whoever asks
        ({"Host": "elsewhere.example"}, 200, None),
        ({"Host": "[::1]:80"}, 200, None),
    ],
    ids=str,
)
def test_what_a_request_says_of_itself_is_judged_before_its_path(
    service: Service, headers: dict[str, str], status: int, code: str | None
) -> None:
    answer = service.app.test_client().get("/healthz", headers=headers)
    assert (answer.status_code, answer.get_json().get("code")) == (status, code)


def test_of_a_request_nothing_stays_with_the_thread(service: Service, user: User) -> None:
    """Whatever it does next is not the request's, and what it did before goes on."""
    with logs.bound(actor="the host's"):
        answer = service.app.test_client().get("/api/auth/me", headers=user.headers)
        assert answer.status_code == 200
        assert logs.context() == {"actor": "the host's"}
    assert logs.context() == {}
