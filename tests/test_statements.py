"""What the database is asked, and that an index answers it, however many rows there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text

from app.extensions import db
from app.models import BrowserSession, Flow, Grant, Login, Revocation, User, now
from app.providers import PROVIDERS
from app.services import clearing, ending, leases, sparing, warning
from tests.conftest import start
from tests.support.databases import PostgresqlDatabases, SqliteDatabases
from tests.support.providers import Sandbox
from tests.support.service import Service
from tests.support.statements import noted, plan_of, walked_through

ROWS = 4000
LARGE = ("users", "grants", "flows", "logins", "revocations", "sessions")


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
        common = {"user_id": number, "provider": PROVIDERS[number % len(PROVIDERS)].name}
        yield Flow, {**common, "key": key, "stage": "asked", "service": "", "expires_at": later}
        account = {**common, "account_id": key, "sealed": b""}
        yield Revocation, {**account, "retry_at": later}
        yield (
            Grant,
            {
                **account,
                "account_label": "",
                "scopes_asked": [],
                "scopes_granted": [],
                "renewable": True,
                "due_at": later,
                "ends_at": later + timedelta(days=60),
            },
        )


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
    for statement in asked:
        plan = plan_of(filled.app, statement)
        assert not any(walked_through(plan, table) for table in LARGE), f"{statement[0]}\n{plan}"
