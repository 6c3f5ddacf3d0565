"""Service keys: one program for many users, within its scopes, and nothing of theirs beyond."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from app.extensions import db
from app.models import AuditEvent, ServiceKey, now
from tests.http.test_authorization import send
from tests.support.browser import Agent
from tests.support.guards import GUARDS, SCOPES
from tests.support.raw import exchange, request_head
from tests.support.service import Service, User
from tests.support.service_keys import ALL, Key, make_key

LIST = "/api/users/:username/get/connections"
READ = "/api/users/:username/connection/gettokens"
BODY = {"name": "n", "type": "spotify", "data": {"token": "t"}}

scoped = pytest.mark.parametrize(("route", "scope"), SCOPES.items())


@pytest.fixture(scope="module")
def keys(service: Service) -> dict[str, Key]:
    """A key with each scope alone."""
    return {scope: make_key(service, scopes=(scope,)) for scope in ALL}


@pytest.fixture(scope="module")
def bystander(service: Service) -> User:
    user = service.user()
    assert user.call("POST", "/api/users/:username/add/connection", json=BODY).status_code == 201
    return user


def change_key(key: Key, **values: object) -> None:
    with key.service.app.app_context():
        db.session.execute(update(ServiceKey).where(ServiceKey.name == key.name).values(**values))
        db.session.commit()


def used_at(key: Key) -> object:
    with key.service.app.app_context():
        return db.session.scalar(select(ServiceKey.last_used_at).where(ServiceKey.name == key.name))


def acting(key: Key, user: User | None, route: str) -> object:
    headers = {"Authorization": f"Bearer {key.secret}"}
    if user is not None:
        headers["X-On-Behalf-Of"] = user.username
    return send(key.service, route, headers, username=user.username if user else "x", id=1)


def test_every_route_of_a_user_has_its_scope() -> None:
    assert set(SCOPES) == {route for route, guard in GUARDS.items() if guard in ("bearer", "owner", "start")}
    assert set(SCOPES.values()) == {None, *ALL}


@scoped
def test_a_key_reaches_what_its_scope_allows_and_nothing_else(
    service: Service, keys: dict[str, Key], bystander: User, route: str, scope: str | None
) -> None:
    before = bystander.call("GET", LIST).content
    for held, key in keys.items():
        user = bystander if held != scope else service.user()
        answer = acting(key, user, route)
        if held == scope:
            assert answer.status_code not in (401, 403, 405, 500), answer.text
        else:
            code = "forbidden" if scope is None else "insufficient_scope"
            assert (answer.status_code, answer.json()["code"]) == (403, code), (held, answer.text)
    assert bystander.call("GET", LIST).content == before


@scoped
def test_a_key_must_say_for_whom(keys: dict[str, Key], route: str, scope: str | None) -> None:
    for key in keys.values():
        answer = acting(key, None, route)
        assert (answer.status_code, answer.json()["code"]) == (400, "on_behalf_of_missing")


def test_a_token_may_not_say_for_whom(user: User) -> None:
    for name in (user.username, "anybody"):
        answer = user.call("GET", "/api/connections", headers={"X-On-Behalf-Of": name})
        assert (answer.status_code, answer.json()["code"]) == (400, "on_behalf_of_refused")
    assert user.call("GET", "/api/connections", headers={"X-On-Behalf-Of": ""}).status_code == 200
    answer = user.service.call("GET", "/api/connections", headers={"X-On-Behalf-Of": "x"})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")


def test_the_path_is_that_users_or_nobodys(service: Service, user: User, bystander: User) -> None:
    key = make_key(service)
    mine = key.call("GET", LIST.replace(":username", bystander.username), user)
    nobody = key.call("GET", LIST.replace(":username", "nobody-at-all"), user)
    assert (mine.status_code, mine.content) == (403, nobody.content)
    assert key.call("GET", LIST.replace(":username", user.username.upper()), user).status_code == 200


def test_a_key_for_some_users_is_for_no_other(service: Service, user: User, bystander: User) -> None:
    key = make_key(service, "--for", user.username.upper())
    assert key.call("GET", LIST, user).status_code == 200
    other, nobody = key.call("GET", LIST, bystander), key.call("GET", LIST, "nobody-at-all")
    assert (other.status_code, other.json()["code"]) == (403, "forbidden")
    assert other.content == nobody.content
    gone = service.user()
    limited = make_key(service, "--for", gone.username)
    gone.call("DELETE", "/api/auth/me", json={"password": "correct horse battery"})
    assert limited.call("GET", LIST, bystander).status_code == 403, "a key for nobody is not for all"


@pytest.mark.parametrize("name", ["", "a b", "\x7f", "\u200b", "x" * 500, "√\ud7ff", "%00"])
def test_a_name_that_nobody_has(keys: dict[str, Key], name: str) -> None:
    answer = keys["read_metadata"].call("GET", "/api/connections", name)
    assert answer.status_code == (400 if not name.strip() else 403), answer.text


@pytest.mark.parametrize("name", [b"\xff\xfe", b"\xc3("])
def test_a_name_that_is_no_text(service: Service, keys: dict[str, Key], name: bytes) -> None:
    head = request_head(
        service,
        "GET /api/connections",
        Authorization=f"Bearer {keys['read_metadata'].secret}",
        X_On_Behalf_Of=name.decode("latin-1"),
    )
    answer = exchange(service, head)
    assert (answer.status, json.loads(answer.content)["code"]) == (400, "invalid_request")


def test_a_name_of_any_script(service: Service, keys: dict[str, Key]) -> None:
    user = service.user("Ωμέγα-" + service.user().username)
    for name in (user.username, user.username.lower()):
        assert keys["read_metadata"].call("GET", "/api/auth/me", name).json()["username"] == user.username


def test_a_disabled_user_is_nobody(service: Service, keys: dict[str, Key]) -> None:
    user = service.user()
    service.app.test_cli_runner().invoke(args=["users", "disable", user.username])
    assert keys["read_metadata"].call("GET", "/api/connections", user).status_code == 403


@pytest.mark.parametrize("how", ["revoked", "expired", "unknown", "cut", "longer"])
def test_a_key_that_opens_nothing(service: Service, user: User, how: str) -> None:
    key = make_key(service)
    if how == "revoked":
        assert service.app.test_cli_runner().invoke(args=["service-keys", "revoke", key.name]).exit_code == 0
    elif how == "expired":
        change_key(key, expires_at=now() - timedelta(seconds=1))
    else:
        spoiled = {
            "unknown": "latchkey_" + "x" * 43,
            "cut": key.secret[:-1],
            "longer": key.secret + "x",
        }
        key = Key(service, key.name, spoiled[how])
    answer = key.call("GET", LIST, user)
    assert (answer.status_code, answer.json()["error"]) == (401, "Invalid or expired token")
    start = key.call("GET", "/api/connections/github", user)
    assert (start.status_code, start.json()["error"]) == (401, "Invalid token")
    assert key.call("GET", LIST, None).status_code == 401, "what opens nothing is told nothing else"


def test_a_key_ends_when_it_says(service: Service, user: User) -> None:
    key = make_key(service, "--expires-in-days", "1")
    assert key.call("GET", LIST, user).status_code == 200
    with service.app.app_context():
        ends = db.session.scalar(select(ServiceKey.expires_at).where(ServiceKey.name == key.name))
    assert ends is not None and abs(ends - now() - timedelta(days=1)) < timedelta(minutes=1)


def test_a_key_in_the_query_is_refused(service: Service, user: User) -> None:
    key = make_key(service)
    headers = {"X-On-Behalf-Of": user.username}
    answer = service.call("GET", f"/api/connections/github?token={key.secret}", headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "Invalid token")
    assert key.call("GET", "/api/connections/github", user).status_code == 302


def test_only_the_hash_is_kept(service: Service) -> None:
    key = make_key(service)
    with service.app.app_context():
        row = db.session.scalars(select(ServiceKey).where(ServiceKey.name == key.name)).one()
        assert key.secret not in repr(vars(row)) and len(row.hash) == 64


def test_the_last_use_is_noted_once_a_minute(service: Service, user: User) -> None:
    key = make_key(service)
    assert used_at(key) is None
    key.call("GET", LIST, user)
    first = used_at(key)
    key.call("GET", LIST, user)
    assert first is not None and used_at(key) == first
    change_key(key, last_used_at=now() - timedelta(minutes=2))
    key.call("GET", LIST, user)
    assert used_at(key) >= first  # type: ignore[operator]


def test_a_worker_reads_a_live_token_and_its_owner_sees_it(service: Service, agent: Agent) -> None:
    user, key = service.user(), make_key(service, scopes=("read_secrets",))
    agent.connect(user, "github")
    assert key.call("GET", "/api/connections/github/token", user).json()["access_token"]
    key.call("GET", LIST, user)
    events = user.call("GET", "/api/audit").json()["events"]
    told = [(event["actor"], event["action"]) for event in events[:2]]
    assert told == [(f"service_key:{key.name}", "denied"), (f"service_key:{key.name}", "token.read")]
    assert "read_metadata" in events[0]["detail"] and key.secret not in str(events)


def test_a_refusal_for_a_user_is_that_users_to_see(service: Service, bystander: User) -> None:
    user, key = service.user(), make_key(service, "--for", bystander.username)
    key.call("GET", LIST, user)
    bystander.call("GET", LIST.replace(":username", user.username))
    events = user.call("GET", "/api/audit?action=denied").json()["events"]
    assert [event["actor"] for event in events] == [f"user:{bystander.id}", f"service_key:{key.name}"]


def test_a_refusal_for_nobody_is_written_down_too(service: Service, user: User) -> None:
    user.call("GET", LIST.replace(":username", "no\nsuch%00name"))
    with service.app.app_context():
        event = db.session.scalars(
            select(AuditEvent).where(AuditEvent.actor == f"user:{user.id}", AuditEvent.action == "denied")
        ).one()
        assert (event.user_id, event.target) == (None, "no\\nsuch\\x00name")
