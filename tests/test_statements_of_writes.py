"""What is written often asks the database little, and never walks through a table for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import text

from app.extensions import db
from app.models import reserving
from app.services import browser_sessions
from app.services.beginning import MOST_PER_BROWSER
from app.waiting import waiting
from tests.conftest import start
from tests.support.browser import Agent
from tests.support.crowd import LARGE
from tests.support.databases import PostgresqlDatabases
from tests.support.providers import Sandbox
from tests.support.service import Service, User
from tests.support.statements import noted, plan_of, walked_through

SSH = {"name": "n", "type": "sshes", "data": {"host": "h", "username": "u", "password": "p"}}


@pytest.fixture(scope="module")
def writer(crowded: Service) -> User:
    """Somebody whose token is remembered: at its first use it is asked whose it is."""
    user = crowded.user()
    assert user.call("GET", "/api/connections/spotify").status_code == 302
    return user


def start_spotify(user: User) -> int:
    return user.call("GET", "/api/connections/spotify").status_code


def start_github(user: User) -> int:
    return user.call("GET", "/api/connections/github").status_code


def authorize(user: User) -> int:
    return user.call("POST", "/api/connections/spotify/authorize").status_code


def access_url(user: User) -> int:
    return user.call("GET", "/api/user/connection/access/github").status_code


def add(user: User) -> int:
    return user.call("POST", "/api/users/:username/add/connection", json=SSH).status_code


def save_session(user: User) -> int:
    with user.service.app.app_context():
        browser_sessions.save("saved", b"data", timedelta(hours=1))
    return 200


def callback_of_nobody(user: User) -> int:
    return user.service.call("GET", "/api/connections/spotify/callback?code=x&state=nobodys").status_code


# What is done; how it is answered; how many statements of SQLite's, and of PostgreSQL's.
WAYS: Mapping[str, tuple[Callable[[User], int], int, int, int]] = {
    "start at Spotify": (start_spotify, 302, 1, 1),
    "start at GitHub, and the browser's session": (start_github, 302, 2, 2),
    "authorize: a flow and a ticket": (authorize, 200, 2, 2),
    "access URL": (access_url, 200, 1, 1),
    "add a connection": (add, 201, 3, 2),
    "save a session": (save_session, 200, 1, 1),
    "callback of no flow": (callback_of_nobody, 400, 1, 1),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_write_asks_little(crowded: Service, writer: User, way: str) -> None:
    do, status, on_sqlite, on_postgresql = WAYS[way]
    with noted(crowded.app) as asked:
        assert do(writer) == status
    most = on_postgresql if "postgresql" in crowded.environ["DATABASE_URL"] else on_sqlite
    assert len(asked) == most, "\n".join(statement for statement, _ in asked)
    check_plans(crowded, asked)


@pytest.fixture(scope="module")
def empty(postgresql: PostgresqlDatabases, sandbox: Sandbox) -> Iterator[Service]:
    """A service of one user, whose tables were counted when there was nothing else in them."""
    service = start(postgresql.new(), sandbox)
    service.user()
    with service.app.app_context():
        db.session.execute(text("ANALYZE"))
        db.session.commit()
    yield service
    service.close()


@pytest.mark.parametrize("way", WAYS)
def test_a_plan_made_for_few_rows_is_one_for_many(empty: Service, way: str) -> None:
    """PostgreSQL keeps it, while its tables fill."""
    do, status, *_ = WAYS[way]
    user = empty.user()
    with noted(empty.app) as asked:
        assert do(user) == status
    check_plans(empty, asked)


def test_a_start_makes_room_by_a_second_statement_alone(crowded: Service, writer: User) -> None:
    agent = Agent(crowded)
    for _ in range(MOST_PER_BROWSER):
        agent.start(writer, "spotify")
    with noted(crowded.app) as asked:
        agent.start(writer, "spotify")
    assert len(asked) == (2 if "postgresql" in crowded.environ["DATABASE_URL"] else 3), asked
    check_plans(crowded, asked)


def test_a_start_in_company_leaves_its_rows_to_one_transaction(
    crowded: Service, writer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "has_company", lambda: True)
    with noted(crowded.app) as asked:
        Agent(crowded).start(writer, "github")
    firsts = [" ".join(statement.split()[:3]) for statement, _ in asked]
    assert firsts == ["SELECT users.id FROM", "INSERT INTO flows", "INSERT INTO sessions"]
    check_plans(crowded, asked)


def test_an_addition_in_company_is_read_for_and_left_to_one_transaction(
    crowded: Service, writer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "has_company", lambda: True)
    monkeypatch.setattr(reserving, "KEPT", 60.0)
    assert add(writer) == 201
    with noted(crowded.app) as asked:
        assert add(writer) == 201  # with an id that was reserved along with the first one's
    assert asked[0][0].startswith("SELECT users.id, "), asked
    assert len(asked) == (2 if "postgresql" in crowded.environ["DATABASE_URL"] else 3), asked
    check_plans(crowded, asked)


def test_a_callback_finds_and_takes_its_flow(crowded: Service, writer: User) -> None:
    agent = Agent(crowded)
    [state] = parse_qs(urlsplit(agent.start(writer, "spotify")).query)["state"]
    with noted(crowded.app) as asked:
        answer = agent.call("GET", f"/api/connections/spotify/callback?error=access_denied&state={state}")
    assert answer.json()["code"] == "oauth_error"
    of_flows = [one for one in asked if "flows" in one[0]]
    assert len(of_flows) == 2, of_flows  # what it is; that it is ours
    check_plans(crowded, of_flows)


def check_plans(service: Service, asked: list[Any]) -> None:
    for statement in asked:
        plan = plan_of(service.app, statement)
        assert not any(walked_through(plan, table) for table in LARGE), f"{statement[0]}\n{plan}"
