"""What the database is asked, and that an index answers it, however many rows there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text

from app.extensions import db, vault
from app.models import (
    BrowserSession,
    Connection,
    Flow,
    Grant,
    Login,
    Revocation,
    ServiceConnection,
    Tokens,
    User,
    now,
)
from app.providers import PROVIDERS
from app.services import clearing, ending, leases, sparing, warning
from tests.conftest import start
from tests.support.databases import PostgresqlDatabases, SqliteDatabases
from tests.support.filling import fill
from tests.support.providers import Sandbox
from tests.support.service import Service
from tests.support.statements import Asked, noted, plan_of, walked_through
from tests.support.tokens import claims_of, forge

ROWS = 4000
LARGE = (
    "users",
    "grants",
    "flows",
    "logins",
    "revocations",
    "sessions",
    "connections",
    "service_connections",
)
HOLDERS = {1: 1, 1 + len(PROVIDERS): 50}  # users that keep so many connections beside those of the filling


def _rows(at: datetime) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Give one row of each kind for each user; nearly nothing is due."""
    for number in range(1, ROWS + 1):
        key, later = f"filled-{number}", at + timedelta(hours=12, seconds=number)
        yield (
            User,
            {
                "id": number,
                "username": key,
                "username_key": key,
                "email": key,
                "email_key": key,
                "password_hash": "",
            },
        )
        yield Login, {"id": key, "user_id": number, "refresh_id": key, "expires_at": later}
        yield BrowserSession, {"id": key, "data": b"", "expires_at": later}
        yield Connection, {"user_id": number, "name": key, "type": "sshes", "outline": {}, "sealed": b""}
        provider = PROVIDERS[number % len(PROVIDERS)]
        common = {"user_id": number, "provider": provider.name}
        yield Flow, {**common, "key": key, "stage": "asked", "service": "", "expires_at": later}
        account = {**common, "account_id": key, "sealed": b""}
        yield Revocation, {**account, "retry_at": later}
        yield (
            Grant,
            {
                **account,
                "id": number,
                "account_label": "",
                "scopes_asked": [],
                "scopes_granted": [],
                "renewable": True,
                "due_at": later,
                "ends_at": later + timedelta(days=60),
            },
        )
        of_grant = {"user_id": number, "service_id": provider.service.id, "grant_id": number}
        yield ServiceConnection, of_grant


def _fill(service: Service) -> None:
    tables: dict[Any, list[dict[str, Any]]] = {}
    for model, row in _rows(now()):
        tables.setdefault(model, []).append(row)
    with service.app.app_context():
        for model, rows in tables.items():
            db.session.execute(insert(model), rows)
        db.session.commit()
        db.session.execute(text("ANALYZE"))
        db.session.commit()


@pytest.fixture(scope="module")
def filled(databases: SqliteDatabases | PostgresqlDatabases, sandbox: Sandbox) -> Iterator[Service]:
    service = start(databases.new(), sandbox)
    _fill(service)
    yield service
    service.close()


DUE: dict[str, Callable[[], object]] = {
    "renewals": lambda: [leases.take_due(provider) for provider in PROVIDERS],
    "ended": clearing.clear,
    "unconfirmed": sparing.end_next_unconfirmed,
    "warnings": warning.warn_next,
    "revocations": ending.retry_next,
}


@pytest.mark.parametrize("what", DUE)
def test_what_is_due_is_found_by_an_index(filled: Service, what: str) -> None:
    with noted(filled.app) as asked, filled.app.app_context():
        DUE[what]()
        db.session.rollback()
    assert asked
    assert_indexed(filled, asked)


OWN = "/api/users/filled-{user}"

# What is asked often, and how many statements it takes on SQLite and on PostgreSQL: there, the event of some
# disclosures is committed along with what is read.
HOT: dict[str, tuple[str, str, Any, int, int]] = {
    "a connection": ("GET", f"{OWN}/get/connection/{{id}}", None, 2, 1),
    "a token": ("GET", "/api/connections/{service}/token", None, 2, 1),
    "the services": ("GET", "/api/connections", None, 1, 1),
    "the connections": ("GET", f"{OWN}/get/connections", None, 1, 1),
    "a legacy token": ("POST", f"{OWN}/connection/gettoken", {"name": "mine", "token_type": "git"}, 2, 2),
    "the legacy tokens": ("GET", f"{OWN}/connection/gettokens", None, 2, 2),
}


@pytest.fixture(scope="module")
def holders(filled: Service) -> dict[int, int]:
    """Return one connection of each user that has some, beside a legacy token and a grant that opens."""
    found = {user: fill(filled.app, [user], count)[-1] for user, count in HOLDERS.items()}
    body = {"name": "mine", "token_type": "git", "token": "t"}
    for user in HOLDERS:
        path = f"{OWN}/connections/addtoken".format(user=user)
        assert filled.call("POST", path, json=body, headers=_headers(user)).status_code == 201
    with filled.app.app_context():
        for user in HOLDERS:
            db.session.get_one(Grant, user).seal(vault, Tokens("access", "refresh"))
        db.session.commit()
    return found


@pytest.mark.parametrize("what", HOT)
def test_what_is_asked_often_takes_few_statements_through_an_index(
    filled: Service, holders: dict[int, int], what: str
) -> None:
    method, path, body, *counts = HOT[what]
    count = counts[_is_postgresql(filled)]
    for user, id in holders.items():
        service = PROVIDERS[user % len(PROVIDERS)].service.name
        asked_for = path.format(user=user, id=id, service=service)
        headers = _headers(user)
        assert filled.call(method, asked_for, json=body, headers=headers).status_code == 200
        with noted(filled.app) as asked:
            assert filled.call(method, asked_for, json=body, headers=headers).status_code == 200
        assert len(asked) == count, [statement for statement, _ in asked]
        assert_indexed(filled, asked)


def assert_indexed(service: Service, asked: Sequence[Asked]) -> None:
    for statement in asked:
        plan = plan_of(service.app, statement)
        assert not any(walked_through(plan, table) for table in LARGE), f"{statement[0]}\n{plan}"


def _headers(user: int) -> dict[str, str]:
    return {"Authorization": f"Bearer {forge(claims_of(user))}"}


def _is_postgresql(service: Service) -> bool:
    with service.app.app_context():
        return db.engine.dialect.name == "postgresql"
