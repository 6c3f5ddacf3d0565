"""Where browsers' sessions are kept without Redis: in the database, in transactions of their own.

They use connections of their own, so that saving a session never commits or loses what a view was doing.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.extensions import db
from app.models import BrowserSession, now


def load(id: str) -> bytes | None:
    """Return what is kept under this id, unless it has ended."""
    kept = select(BrowserSession.data).where(BrowserSession.id == id, BrowserSession.expires_at > now())
    with db.engine.connect().execution_options(reads_only=True) as connection:
        return connection.execute(kept).scalar()


def save(id: str, data: bytes, life: timedelta) -> None:
    """Keep this under this id for so long. What a refused request has left open is dropped first."""
    db.session.rollback()  # or SQLite would wait here for our own lock
    values = {"data": data, "expires_at": now() + life}
    changed = update(BrowserSession).where(BrowserSession.id == id).values(**values)
    try:
        with db.engine.begin() as connection:
            if not connection.execute(changed).rowcount:
                connection.execute(insert(BrowserSession).values(id=id, **values))
    except IntegrityError:  # two requests of one browser made it at once
        with db.engine.begin() as connection:
            connection.execute(changed)


def drop(id: str) -> None:
    with db.engine.begin() as connection:
        connection.execute(delete(BrowserSession).where(BrowserSession.id == id))


def drop_ended() -> None:
    with db.engine.begin() as connection:
        connection.execute(delete(BrowserSession).where(BrowserSession.expires_at <= now()))
