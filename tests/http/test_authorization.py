"""The authorization matrix: every route of the URL map has a guard here, and each guard holds over HTTP."""

from __future__ import annotations

import re
import time
from typing import Any

import jwt
import pytest
import requests

from tests.support.guards import GUARDS, NAMES
from tests.support.service import Service, User

# What they say: no token, a token without a user, any other token.
API = ("Authorization token is missing", "Invalid or expired token", "Invalid or expired token")
START = ("Authentication required", "Invalid token payload", "Invalid token")
SENTENCES = {"bearer": API, "owner": API, "refresh": API, "start": START}

guarded = pytest.mark.parametrize(
    ("route", "guard"), [(route, guard) for route, guard in GUARDS.items() if guard in SENTENCES]
)
owned = pytest.mark.parametrize("route", [route for route, guard in GUARDS.items() if guard == "owner"])
unguarded = pytest.mark.parametrize(
    ("route", "guard"), [(route, guard) for route, guard in GUARDS.items() if guard not in SENTENCES]
)


@pytest.fixture(scope="module")
def owner(service: Service) -> User:
    """Somebody with a stored token; no test here may change anything of theirs."""
    user = service.user()
    body = {"name": "n", "type": "spotify", "data": {"token": "t"}}
    assert user.call("POST", "/api/users/:username/add/connection", json=body).status_code == 201
    return user


@pytest.fixture(scope="module")
def other(service: Service) -> User:
    return service.user()


def state_of(user: User) -> Any:
    """Return everything that the routes of this table could change."""
    listed = user.call("GET", "/api/users/:username/get/connections").json()["connections"]
    return listed, user.call("GET", f"/api/users/:username/get/connection/{listed[0]['id']}").json()


def send(
    service: Service, route: str, headers: dict[str, str], *, username: str, id: int
) -> requests.Response:
    """Call a route as somebody would who knows what to ask: with a stored id, and a body that fits."""
    method, rule = route.split(" ")
    values = {
        "username": username,
        "row_id:id": str(id),
        "service": "spotify",
        "service:service": "spotify",
        "type": "sshes",
        "ticket": "x",
        "path:filename": "x",
    }
    path = re.sub(r"<([^>]+)>", lambda found: values[found[1]], rule)
    body = {"id": id, "token": "stolen"} if rule.endswith("token/token") else {"id": id}
    if rule.endswith(("/token/name", "/name/<row_id:id>")):
        body = {"name": "stolen"} if "row_id" in rule else {"id": id, "name": "stolen"}
    elif rule.endswith("/data/<row_id:id>"):
        return service.call(method, path, headers=headers, json={"data": {"token": "stolen"}})
    return service.call(method, path, headers=headers, json=None if method == "GET" else body)


def forged(service: Service, **claims: Any) -> str:
    whole = {"exp": int(time.time()) + 600, "type": "access", **claims}
    return jwt.encode(whole, service.environ["JWT_SECRET_KEY"], algorithm="HS256")


def assert_refused(answer: requests.Response, sentence: str) -> None:
    assert (answer.status_code, answer.json()["error"]) == (401, sentence)
    assert set(answer.json()) == {"error", "code"}
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_every_route_has_a_guard_and_every_guard_a_route(service: Service) -> None:
    routes = {
        f"{method} {rule.rule}"
        for rule in service.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert routes == set(GUARDS)


@guarded
def test_without_a_token(service: Service, owner: User, route: str, guard: str) -> None:
    before = state_of(owner)
    for header in ({}, {"Authorization": ""}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}):
        answer = send(service, route, header, username=owner.username, id=before[0][0]["id"])
        assert_refused(answer, SENTENCES[guard][0])
    assert state_of(owner) == before


@guarded
def test_with_a_token_that_names_nobody(service: Service, owner: User, route: str, guard: str) -> None:
    before = state_of(owner)
    kind = "refresh" if guard == "refresh" else "access"
    for claims in (
        {},
        {"user_id": None},
        {"user_id": str(owner.id)},
        {"user_id": True},
        {"user_id": [owner.id]},
    ):
        headers = {"Authorization": f"Bearer {forged(service, **{**claims, 'type': kind})}"}
        answer = send(service, route, headers, username=owner.username, id=before[0][0]["id"])
        assert_refused(answer, SENTENCES[guard][1])
    assert state_of(owner) == before


@guarded
def test_with_a_bad_token(service: Service, owner: User, route: str, guard: str) -> None:
    before = state_of(owner)
    kind = "refresh" if guard == "refresh" else "access"
    wrong_kind = owner.token if guard == "refresh" else owner.refresh_token
    tokens = [
        "garbage",
        owner.token[:-6] + "AAAAAA",
        wrong_kind,
        forged(service, user_id=owner.id, type=kind, exp=int(time.time()) - 1),
        forged(service, user_id=10**9, type=kind),
        jwt.encode({"user_id": owner.id, "exp": time.time() + 600}, "x" * 32, algorithm="HS256"),
        jwt.encode({"user_id": owner.id, "exp": time.time() + 600}, None, algorithm="none"),
    ]
    for token in tokens:
        answer = send(
            service, route, {"Authorization": token}, username=owner.username, id=before[0][0]["id"]
        )
        assert_refused(answer, SENTENCES[guard][2])
    assert state_of(owner) == before


@owned
def test_anothers_name_is_forbidden_whether_or_not_it_exists(
    service: Service, owner: User, other: User, route: str
) -> None:
    before = state_of(owner)
    names = (owner.username, f"{owner.username}x", "%25", "%00", "me", "%ff")
    answers = [send(service, route, other.headers, username=name, id=before[0][0]["id"]) for name in names]
    assert {(answer.status_code, answer.content) for answer in answers} == {(403, answers[0].content)}
    assert answers[0].json() == {"error": "Forbidden", "code": "forbidden"}
    assert state_of(owner) == before


@guarded
def test_anothers_token_reaches_nothing_of_the_owners(
    service: Service, owner: User, other: User, route: str, guard: str
) -> None:
    """On routes that name no user, the token alone says whose things are meant."""
    if guard == "refresh" or route.endswith("/logout"):
        other = service.user()
    before = state_of(owner)
    send(service, route, other.headers, username=other.username, id=before[0][0]["id"])
    assert state_of(owner) == before


@guarded
def test_with_a_valid_token(service: Service, other: User, route: str, guard: str) -> None:
    user = service.user() if route.endswith(("/logout", "/refresh")) else other
    token = user.refresh_token if guard == "refresh" else user.token
    for header in (f"Bearer {token}", f"bearer  {token}", token)[
        : 1 if route.endswith(("logout", "refresh")) else 3
    ]:
        answer = send(service, route, {"Authorization": header}, username=user.username.upper(), id=1)
        assert answer.status_code not in (401, 403, 405, 500), answer.text


@unguarded
def test_without_a_guard_no_token_is_asked_for(service: Service, owner: User, route: str, guard: str) -> None:
    """And a token opens nothing: a browser's pages and callbacks go by cookies, tickets and states."""
    answers = [send(service, route, headers, username="x", id=1) for headers in ({}, owner.headers)]
    assert answers[0].status_code == answers[1].status_code not in (401, 403, 405, 500)
    if guard == "callback":
        sentence = "Missing authorization code or state" if "spotify" in route else "Invalid session"
        assert (answers[0].status_code, answers[0].json()["error"]) == (400, sentence)
    if guard == "page":
        assert (answers[0].status_code, answers[0].json()["code"]) == (410, "ticket_expired")


@pytest.mark.parametrize("name", NAMES)
def test_a_token_in_the_query_counts_on_starts_alone(service: Service, owner: User, name: str) -> None:
    query = f"?token={owner.token}"
    assert service.call("GET", f"/api/connections/{name}{query}").status_code == 302
    for method, path in (
        ("DELETE", f"/api/connections/{name}"),
        ("GET", "/api/connections"),
        ("GET", "/api/auth/me"),
    ):
        assert_refused(service.call(method, path + query), API[0])


def test_no_cookie_authenticates_the_api(service: Service, owner: User) -> None:
    with requests.Session() as browser:
        browser.get(f"{service.url}/api/connections/github", headers=owner.headers, allow_redirects=False)
        assert browser.cookies
        for name in ("access_token_cookie", "token", "Authorization"):
            browser.cookies.set(name, owner.token)
        assert_refused(browser.get(f"{service.url}/api/auth/me"), API[0])


def test_a_user_who_has_left_is_nobody_at_once(service: Service) -> None:
    user = service.user()
    gone = user.call("DELETE", "/api/auth/me", json={"password": "correct horse battery"})
    assert gone.status_code == 200
    assert_refused(user.call("GET", "/api/auth/me"), API[2])
    assert_refused(user.call("GET", "/api/users/:username/get/connections"), API[2])
    assert_refused(user.call("GET", "/api/connections/github"), START[2])
