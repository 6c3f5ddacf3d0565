"""Answers that tell a secret: none begins before its event is committed, and several may share a commit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text
from werkzeug.test import EnvironBuilder

from app.extensions import db
from app.http.settling import Unsettled, settle
from app.models import AuditEvent
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

    def __init__(self, service: Service, user: User, path: str) -> None:
        path = path.replace(":username", user.username)
        environ = EnvironBuilder(path, headers=user.headers, base_url=service.url).get_environ()
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
    asked[1].answer.events[0]["action"] = None
    settle([call.answer for call in asked])
    assert [call.status[:3] for call in asked] == ["200", "500", "200"]
    assert SECRET in asked[0].body() and "access_token" not in asked[1].body()
