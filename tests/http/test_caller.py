"""Who is calling: where a token may stand, what the two families of 401 say, whose routes are whose."""

from __future__ import annotations

import unicodedata
import uuid

import jwt
import pytest
import requests

from app.services import accounts
from tests.support.browser import Agent
from tests.support.service import PASSWORD, Service, StartService, User
from tests.support.settings import JWT_SECRET_KEY
from tests.support.tokens import claims_of

API, START = "/api/auth/me", "/api/connections/github"
MINE = "/api/users/{}/get/connections"


def said(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


def register(service: Service, username: str) -> dict[str, str]:
    """Add a user of any name; return the headers that it calls with."""
    body = {"username": username, "email": f"{uuid.uuid4().hex}@example.com", "password": PASSWORD}
    answer = service.call("POST", "/api/auth/register", json=body)
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER {}", "bEaReR   {}", "{}", "{}  "])
def test_both_forms_of_the_header_are_taken(service: Service, user: User, form: str) -> None:
    headers = {"Authorization": form.format(user.token).encode()}
    assert requests.get(service.url + API, headers=headers, timeout=9).json()["id"] == user.id
    assert service.call("GET", START, headers=headers).status_code == 302


@pytest.mark.parametrize("header", [None, "", "Bearer", "bearer ", "Basic {}", "Token {}", "Digest a b"])
def test_another_scheme_or_an_empty_header_is_no_token(
    service: Service, user: User, header: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header.format(user.token).encode()}
    api, start = (service.call("GET", path, headers=headers) for path in (API, START))
    assert said(api) == (401, "Authorization token is missing") and api.json()["code"] == "token_missing"
    assert said(start) == (401, "Authentication required")
    assert api.headers["WWW-Authenticate"] == start.headers["WWW-Authenticate"] == "Bearer"
    assert service.call("GET", f"{START}?token={user.token}", headers=headers).status_code == 302


@pytest.mark.parametrize("header", ["Bearer nonsense", "nonsense", "Bearer a.b.c", "Bearer a b", "a.b.c"])
def test_what_is_no_jwt_is_a_bad_token(service: Service, header: str) -> None:
    headers = {"Authorization": header}
    assert said(service.call("GET", API, headers=headers)) == (401, "Invalid or expired token")
    assert said(service.call("GET", START, headers=headers)) == (401, "Invalid token")


@pytest.mark.parametrize("path", [API, "/api/connections", MINE.format(":username"), f"{START}/authorize"])
def test_a_token_in_the_query_counts_on_start_routes_alone(service: Service, user: User, path: str) -> None:
    method = "POST" if path.endswith("authorize") else "GET"
    path = f"{path.replace(':username', user.username)}?token={user.token}"
    assert said(service.call(method, path)) == (401, "Authorization token is missing")


def test_header_and_query_must_agree(service: Service, user: User) -> None:
    other = service.user()
    assert user.call("GET", f"{START}?token={user.token}").status_code == 302
    for query in (f"token={other.token}", "token=nonsense", f"token={user.token}&token={user.token}"):
        assert said(user.call("GET", f"{START}?{query}")) == (401, "Invalid token")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_hosts_own_token_needs_user_id_and_exp_only(service: Service, user: User, method: str) -> None:
    token = jwt.encode(claims_of(user.id), JWT_SECRET_KEY, "HS256")
    assert service.call("GET", API, headers={"Authorization": token}).json()["id"] == user.id
    assert service.call(method, f"{START}?token={token}").status_code == 302


def test_two_keys_while_they_are_rotated(start_service: StartService) -> None:
    old, new = "o" * 40, "n" * 40
    before = start_service(JWT_SECRET_KEY=old)
    url = before.environ["DATABASE_URL"]
    during = start_service(database_url=url, JWT_SECRET_KEY=f"{new},{old}")
    after = start_service(database_url=url, JWT_SECRET_KEY=new)
    early, late = before.user(), during.user()
    renewed = during.call(
        "POST", "/api/auth/refresh", headers={"Authorization": f"Bearer {before.user().refresh_token}"}
    )

    def status(service: Service, token: str) -> int:
        return service.call("GET", API, headers={"Authorization": token}).status_code

    assert [status(one, early.token) for one in (before, during, after)] == [200, 200, 401]
    assert [status(one, late.token) for one in (before, during, after)] == [401, 200, 200]
    assert status(after, renewed.json()["access_token"]) == 200


@pytest.mark.parametrize("end", ["delete", "disable"])
def test_a_user_who_is_gone_is_refused_at_once(service: Service, end: str) -> None:
    user = service.user()
    tokens = user.token, jwt.encode(claims_of(user.id), JWT_SECRET_KEY, "HS256")
    with service.app.app_context():
        if end == "delete":
            accounts.remove_named(username=user.username)
        else:
            accounts.set_disabled(username=user.username, disabled=True)
    for token in tokens:
        headers = {"Authorization": f"Bearer {token}"}
        assert said(service.call("GET", API, headers=headers)) == (401, "Invalid or expired token")
        path = MINE.format(user.username)
        assert said(service.call("GET", path, headers=headers)) == (401, "Invalid or expired token")
        assert said(service.call("GET", START, headers=headers)) == (401, "Invalid token")
    headers = {"Authorization": f"Bearer {user.refresh_token}"}
    assert said(service.call("POST", "/api/auth/refresh", headers=headers))[0] == 401


def test_a_cookie_never_authenticates(service: Service, user: User, agent: Agent) -> None:
    agent.start(user, "github")
    assert agent.session.cookies
    for name in ("access_token_cookie", "token", "Authorization"):
        agent.session.cookies.set(name, user.token)
    for method, path in (("GET", API), ("GET", "/api/connections"), ("DELETE", "/api/connections/reset")):
        assert said(agent.call(method, path)) == (401, "Authorization token is missing")
    assert said(agent.call("GET", START)) == (401, "Authentication required")


def test_403_says_nothing_of_whether_the_other_exists(service: Service, user: User) -> None:
    there, absent = service.user(), f"nobody{uuid.uuid4().hex}"
    answers = [user.call("GET", MINE.format(name)) for name in (there.username, absent)]
    parts = [
        (answer.status_code, answer.content, {**answer.headers, "Date": "", "X-Request-Id": ""})
        for answer in answers
    ]
    assert parts[0] == parts[1] and answers[0].json() == {"error": "Forbidden", "code": "forbidden"}
    assert answers[0].status_code == 403


@pytest.mark.parametrize(
    ("mine", "asked"),
    [
        ("Anna", "aNNA"),
        ("Straße", "STRAẞE"),
        ("Straße", "strasse"),
        ("İstanbul", "i̇stanbul"),
        ("José", unicodedata.normalize("NFD", "José")),
        (unicodedata.normalize("NFD", "Ångström"), "ÅNGSTRÖM"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("a%2fb", "a%2fb"),
    ],
)
def test_ones_own_name_is_compared_by_casefold(service: Service, mine: str, asked: str) -> None:
    tail = uuid.uuid4().hex
    headers = register(service, mine + tail)
    path = MINE.format((asked + tail).replace("%", "%25"))
    assert service.call("GET", path, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("mine", "asked"), [("istanbul", "İstanbul"), ("ıstanbul", "istanbul"), ("paypal", "pаypal"), ("a", "a ")]
)
def test_a_name_that_only_looks_alike_is_another(service: Service, mine: str, asked: str) -> None:
    tail = uuid.uuid4().hex
    headers = register(service, tail + mine)
    assert said(service.call("GET", MINE.format(tail + asked), headers=headers)) == (403, "Forbidden")


def test_a_start_route_tells_whether_its_provider_is_configured(start_service: StartService) -> None:
    user = start_service(GITHUB_CLIENT_ID="", GITHUB_CLIENT_SECRET="").user()
    assert said(user.call("GET", START)) == (503, "GitHub is not configured")
    assert user.call("GET", "/api/connections/discord").status_code == 302
