"""A database with thousands of rows of each kind, so that a plan which walks through a table shows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, text

from app.extensions import db
from app.models import (
    BrowserSession,
    Connection,
    Flow,
    Grant,
    Login,
    Revocation,
    ServiceConnection,
    User,
    now,
)
from app.providers import PROVIDERS
from tests.support.service import Service

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


def _rows(at: datetime) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Give one row of each kind for each user; nearly nothing is due."""
    for number in range(1, ROWS + 1):
        key, later = f"crowded-{number}", at + timedelta(hours=12, seconds=number)
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
        yield (
            Flow,
            {**common, "key": key, "stage": "asked", "service": "", "browser": key, "expires_at": later},
        )
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


def crowd(service: Service) -> None:
    """Put the rows in; the ids after them are free for those who come."""
    tables: dict[Any, list[dict[str, Any]]] = {}
    for model, row in _rows(now()):
        tables.setdefault(model, []).append(row)
    with service.app.app_context():
        for model, rows in tables.items():
            db.session.execute(insert(model), rows)
        if db.engine.dialect.name == "postgresql":
            for table in ("users", "grants"):
                db.session.execute(text(f"SELECT setval('{table}_id_seq', max(id)) FROM {table}"))
        db.session.commit()
        db.session.execute(text("ANALYZE"))
        db.session.commit()
