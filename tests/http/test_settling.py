"""Answers that owe something: none begins before it is stored, and several may share a transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select, text
from werkzeug.test import EnvironBuilder

from app.extensions import db
from app.http.settling import Unsettled, settle
from app.models import AuditEvent, BrowserSession, Connection, Flow, reserving
from app.models import User as UserRow
from app.models.base import Base
from app.services import storing
from app.waiting import waiting
from tests.support.browser import Agent
from tests.support.databases import SqliteDatabases
from tests.support.scraping import Scrape
from tests.support.service import Service, StartService, User
from tests.support.statements import noted

SECRET = "what nobody else may know"
SSH = {"name": "n", "type": "sshes", "data": {"host": "h", "username": "u", "password": SECRET}}
PATHS = {
    "a connection": "/api/users/:username/get/connection/{id}",
    "a token": "/api/connections/github/token",
    "the legacy tokens": "/api/users/:username/connection/gettokens",
}


class Call:
    """A request as a server passes it on. `said` is the answer, once it has begun."""

    def __init__(self, service: Service, user: User, path: str, **asked: Any) -> None:
        path = path.replace(":username", user.username)
        environ = EnvironBuilder(path, headers=user.headers, base_url=service.url, **asked).get_environ()
        self.status = ""
        self.headers: dict[str, str] = {}
        self.answer: Any = service.app.wsgi_app(environ, self._begin)

    def _begin(self, status: str, headers: Sequence[tuple[str, str]], _: Any = None) -> None:
        self.status, self.headers = status, dict(headers)

    def body(self) -> str:
        return b"".join(self.answer).decode()


@pytest.fixture(autouse=True)
def crowded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are served, too: then no statement commits the event of its own disclosure."""
    monkeypatch.setattr(waiting, "has_company", lambda: True)


def stocked(service: Service) -> tuple[User, int]:
    """Return a user who has something of everything, and the id of the connection."""
    user = service.user()
    token = {"name": "t", "token_type": "git", "token": SECRET}
    assert user.call("POST", "/api/users/:username/connections/addtoken", json=token).status_code == 201
    assert Agent(service).connect(user, "github").status_code == 200
    return user, user.call("POST", "/api/users/:username/add/connection", json=SSH).json()["id"]


def told(service: Service) -> int:
    """Return how many disclosures are written down."""
    reads = select(func.count()).where(AuditEvent.action.like("%.read%"))
    with service.app.app_context():
        return db.session.scalar(reads) or 0


def calls(service: Service) -> list[Call]:
    user, id = stocked(service)
    return [Call(service, user, path.format(id=id)) for path in PATHS.values()]


def test_no_answer_begins_before_its_event_is_committed(service: Service) -> None:
    before = told(service)
    asked = calls(service)
    assert all(isinstance(call.answer, Unsettled) and not call.status for call in asked)
    assert told(service) == before
    with noted(service.app) as statements:
        settle([call.answer for call in asked])
    assert len(statements) == 1
    assert told(service) == before + len(asked)
    assert [call.status for call in asked] == ["200 OK"] * len(asked)
    assert all(len(call.headers["X-Request-Id"]) == 32 for call in asked)
    first, token, legacy = (call.body() for call in asked)
    assert SECRET in first and '"access_token"' in token and SECRET in legacy


def test_one_that_is_only_iterated_settles_itself(service: Service) -> None:
    before = told(service)
    asked = calls(service)
    assert asked[0].body().count(SECRET) == 1 and asked[0].status == "200 OK"
    assert told(service) == before + 1


def test_where_the_events_cannot_be_committed_all_fail(start_service: StartService) -> None:
    service = start_service()
    asked = calls(service)
    with service.app.app_context(), db.engine.begin() as connection:
        connection.execute(text("ALTER TABLE audit_events RENAME TO elsewhere"))
    settle([call.answer for call in asked])
    assert [call.status[:3] for call in asked] == ["500"] * len(asked)
    assert not any(SECRET in body or "access_token" in body for body in map(Call.body, asked))
    route = "/api/users/<username>/connection/gettokens"
    counted = Scrape(service.call("GET", "/metrics").text)
    assert counted("latchkey_requests_total", route=route, status="500") >= 1


def test_a_database_that_is_away_is_said_to_be(sqlite: SqliteDatabases, start_service: StartService) -> None:
    url = sqlite.new()
    service = start_service(database_url=url)
    asked = calls(service)
    file = Path(url.removeprefix("sqlite:///"))
    away = file.rename(file.with_suffix(".away"))
    settle([call.answer for call in asked])
    away.rename(file)
    assert [call.status[:3] for call in asked] == ["503"] * len(asked)
    assert all(call.headers["Retry-After"] == "5" for call in asked)
    assert all('"storage_unavailable"' in call.body() for call in asked)


def test_an_event_that_is_refused_spoils_no_other_answer(service: Service) -> None:
    asked = calls(service)
    asked[1].answer.owed.events[0]["action"] = None
    settle([call.answer for call in asked])
    assert [call.status[:3] for call in asked] == ["200", "500", "200"]
    assert SECRET in asked[0].body() and "access_token" not in asked[1].body()


STARTS = ("/api/connections/github", "/api/connections/spotify")


def starts(service: Service) -> list[Call]:
    return [Call(service, service.user(), path) for path in STARTS * 2]


def stored(service: Service, kind: type[Base]) -> int:
    with service.app.app_context():
        return db.session.scalar(select(func.count()).select_from(kind)) or 0


def test_no_browser_leaves_before_its_flow_and_its_session_are_stored(service: Service) -> None:
    flows, kept = stored(service, Flow), stored(service, BrowserSession)
    asked = starts(service)
    assert not any(call.status for call in asked)
    assert (stored(service, Flow), stored(service, BrowserSession)) == (flows, kept)
    settle([call.answer for call in asked])
    assert [call.status for call in asked] == ["302 FOUND"] * len(asked)
    assert all("state=" in call.headers["Location"] and "Set-Cookie" in call.headers for call in asked)
    assert (stored(service, Flow), stored(service, BrowserSession)) == (flows + 4, kept + 2)


def test_where_sessions_cannot_be_stored_that_is_said_to_those_who_have_one(
    start_service: StartService,
) -> None:
    service = start_service()
    asked = starts(service)
    with service.app.app_context(), db.engine.begin() as connection:
        connection.execute(text("ALTER TABLE sessions RENAME TO elsewhere"))
    settle([call.answer for call in asked])
    assert [call.status[:3] for call in asked] == ["503", "302"] * 2
    assert "sessions_unavailable" in asked[0].body() and "Location" not in asked[0].headers
    assert stored(service, Flow) == 2
    with service.app.app_context(), db.engine.begin() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO sessions"))


def test_a_user_who_is_gone_meanwhile_spoils_no_other_answer(service: Service) -> None:
    asked = starts(service)
    flows = stored(service, Flow)
    remove(service, asked[0].answer.owed.flows[0]["user_id"])
    settle([call.answer for call in asked])
    assert [call.status[:3] for call in asked] == ["302"] * 4
    assert stored(service, Flow) == flows + 3


@pytest.fixture
def far_from_full(start_service: StartService, monkeypatch: pytest.MonkeyPatch) -> Service:
    """A service whose users have many more connections before them after the first, and not after that.

    It has one connection already: before that, SQLite reserves no ids. Those that it has reserved stay.
    """
    monkeypatch.setattr(reserving, "KEPT", 60.0)
    service = start_service(MAX_CONNECTIONS_PER_USER=str(storing.MANY + 2))
    adds(service, [service.user()])[0].body()
    return service


def adds(service: Service, users: Sequence[User]) -> list[Call]:
    path = "/api/users/:username/add/connection"
    return [Call(service, user, path, method="POST", json=SSH) for user in users]


def test_no_addition_is_told_before_it_is_stored(far_from_full: Service) -> None:
    service = far_from_full
    users = [service.user() for _ in range(3)]
    asked = adds(service, users)
    assert all(isinstance(call.answer, Unsettled) and not call.status for call in asked)
    assert stored(service, Connection) == 1
    settle([call.answer for call in asked])
    assert [call.status for call in asked] == ["201 CREATED"] * len(asked)
    for user, call in zip(users, asked, strict=True):
        id = json.loads(call.body())["id"]
        assert user.call("GET", f"/api/users/:username/get/connection/{id}").json()["data"] == SSH["data"]
        events = user.call("GET", "/api/audit?action=connection.add").json()["events"]
        assert [event["target"] for event in events] == [f"connection:{id}"]


def test_who_is_not_far_from_full_is_counted_under_a_lock(far_from_full: Service) -> None:
    service, user = far_from_full, far_from_full.user()
    adds(service, [user])[0].body()
    with noted(service.app) as statements:
        [fast] = adds(service, [user])
    assert isinstance(fast.answer, Unsettled) and len(statements) == 1
    fast.body()
    [counted] = adds(service, [user])
    assert counted.status == "201 CREATED"
    assert stored(service, Connection) == 4


def test_a_connection_of_a_user_who_is_gone_meanwhile_is_not_stored(far_from_full: Service) -> None:
    service = far_from_full
    users = [service.user() for _ in range(2)]
    asked = adds(service, users)
    remove(service, users[0].id)
    settle([call.answer for call in asked])
    assert stored(service, Connection) == 2


def remove(service: Service, id: int) -> None:
    with service.app.app_context():
        db.session.execute(delete(UserRow).where(UserRow.id == id))
        db.session.commit()
