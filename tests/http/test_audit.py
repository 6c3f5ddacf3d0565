"""Who read and changed what is written down, before a secret leaves, and never with a value."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text

from app.extensions import db
from app.models import AuditEvent
from tests.support.browser import Agent
from tests.support.providers import Fault
from tests.support.service import PASSWORD, Service, StartService, User

SECRET = "a-secret-nobody-writes-down"
SSH = {"name": "n", "type": "sshes", "data": {"host": "h", "username": "u", "password": SECRET}}


def events(service: Service, user: User) -> list[AuditEvent]:
    with service.app.app_context():
        found = select(AuditEvent).where(AuditEvent.user_id == user.id).order_by(AuditEvent.id)
        return list(db.session.scalars(found))


def test_who_asks_for_anothers_is_told_to_the_owner(user: User, service: Service) -> None:
    other = service.user()
    refused = other.call("GET", f"/api/users/{user.username.upper()}/get/connections")
    assert refused.status_code == 403
    told = events(service, user)[-1]
    assert (told.action, told.actor) == ("denied", f"user:{other.id}")
    assert told.request_id == refused.headers["X-Request-Id"]
    assert "denied" not in [event.action for event in events(service, other)]


def test_each_deed_leaves_one_event_and_no_value(user: User, agent: Agent, service: Service) -> None:
    id = user.call("POST", "/api/users/:username/add/connection", json=SSH).json()["id"]
    read = user.call("GET", f"/api/users/:username/get/connection/{id}")
    user.call("PUT", f"/api/users/:username/update/connection/data/{id}", json={"data": SSH["data"]})
    user.call("PUT", f"/api/users/:username/update/connection/name/{id}", json={"name": "m"})
    user.call("DELETE", f"/api/users/:username/connection/delete/{id}")
    agent.connect(user, "github")
    agent.call("GET", agent.consent(agent.start(user, "discord"), deny=True))
    user.call("DELETE", "/api/connections/github")
    body = {"username": user.username, "password": "wrong " + SECRET}
    service.call("POST", "/api/auth/login", json=body)
    service.call("POST", "/api/auth/login", json={**body, "password": PASSWORD})
    found = events(service, user)
    assert [event.action for event in found] == [
        "user.register",
        "connection.add",
        "connection.read",
        "connection.replace",
        "connection.rename",
        "connection.delete",
        "connection.connect",
        "connection.refused",
        "connection.disconnect",
        "grant.revoke",
        "user.login_refused",
        "user.login",
    ]
    told = found[2]
    assert (told.actor, told.target) == (f"user:{user.id}", f"connection:{id}")
    assert told.detail == "host, password, username"
    assert told.request_id == read.headers["X-Request-Id"] and told.address == "127.0.0.1"
    assert not any(secret in repr(vars(event)) for event in found for secret in (SECRET, PASSWORD))


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/users/:username/get/connection/1", None),
        ("GET", "/api/users/:username/connection/gettokens", None),
        ("POST", "/api/users/:username/connection/gettoken", {"name": "t", "token_type": "git"}),
    ],
)
def test_no_secret_leaves_without_its_event(
    start_service: StartService, method: str, path: str, body: dict[str, str] | None
) -> None:
    service = start_service()
    user = service.user()
    user.call("POST", "/api/users/:username/add/connection", json=SSH)
    token = {"name": "t", "token_type": "git", "token": SECRET}
    user.call("POST", "/api/users/:username/connections/addtoken", json=token)
    assert SECRET in user.call(method, path, json=body).text
    with service.app.app_context(), db.engine.begin() as connection:
        connection.execute(text("ALTER TABLE audit_events RENAME TO elsewhere"))
    answer = user.call(method, path, json=body)
    assert answer.status_code >= 500 and SECRET not in answer.text


def test_control_characters_stay_on_one_line(
    user: User, agent: Agent, service: Service, fault: Fault
) -> None:
    label = "octo\r\n\x1b[31mcat"
    fault("github", "identity", "json", status=200, body={"id": 7, "login": label})
    assert agent.connect(user, "github").status_code == 200
    detail = events(service, user)[-1].detail
    assert detail == "octo\\r\\n\\x1b[31mcat (7)"


@pytest.mark.parametrize(
    ("name", "unticked"),
    [
        ("gmail", "https://www.googleapis.com/auth/drive"),
        ("facebook", "user_posts"),
        ("github", "user:email"),
        ("discord", "email"),
    ],
)
def test_what_was_not_granted_is_told(
    user: User, agent: Agent, service: Service, name: str, unticked: str
) -> None:
    url = agent.start(user, name)
    agent.call("GET", agent.consent(url, untick=[unticked]))
    assert events(service, user)[-1].detail.endswith(f"; not granted: {unticked}")
    other = service.user()
    agent.connect(other, name)
    assert "not granted" not in events(service, other)[-1].detail


def test_the_end_of_a_login_is_told(service: Service) -> None:
    user = service.user()
    spent = {"Authorization": f"Bearer {user.refresh_token}"}
    assert service.call("POST", "/api/auth/refresh", headers=spent).status_code == 200
    assert service.call("POST", "/api/auth/refresh", headers=spent).status_code == 401
    other = service.user()
    other.call("POST", "/api/auth/logout")
    for _ in range(7):
        body = {"username": other.username, "password": "wrong wrong"}
        service.call("POST", "/api/auth/login", json=body)
    assert [event.action for event in events(service, user)] == ["user.register", "user.token_reused"]
    told = [event.action for event in events(service, other)]
    assert told[:2] == ["user.register", "user.logout"] and "user.slowed_down" in told


@pytest.mark.parametrize(
    "names",
    [
        ["b", "a", "B", "_", "1", "a b", "a,b"],
        ["\r\n\x1b[31m", "a"],
        ["é", "z", "日本", "😀"],
        ['"', "\\", "'", "%s", "%(name)s", ":name"],
        ["\u202e", "a"],
        ["\x7f", "a"],
    ],
)
def test_the_names_of_fields_are_told_as_they_are_in_one_line(
    user: User, service: Service, names: list[str]
) -> None:
    """Whether the database writes the event by itself or we do."""
    data = dict.fromkeys(names, SECRET)
    body = {"name": "n", "type": "custom", "data": data}
    added = user.call("POST", "/api/users/:username/add/connection", json=body)
    assert added.status_code == 201, added.text
    user.call("GET", f"/api/users/:username/get/connection/{added.json()['id']}")
    add, read = events(service, user)[-2:]
    assert (add.action, read.action) == ("connection.add", "connection.read")
    assert read.detail == add.detail and read.detail.isprintable() and SECRET not in read.detail
    assert (read.user_id, read.actor, read.target) == (add.user_id, add.actor, add.target)
