"""Where browsers' sessions are kept without Redis: in the database, in transactions of their own.

They use connections of their own, so that saving a session never commits or loses what a view was doing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import String, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from app.extensions import direct, let_go
from app.models import BrowserSession, now
from app.models.direct import Statement, relaxing

from .owing import kept_back

_ID = bindparam("id", type_=String())
_AT = bindparam("at", type_=BrowserSession.expires_at.type)


def _saving(kept: sqlite.Insert | postgresql.Insert) -> Any:
    """Return what keeps a session, whether or not there is one under its id: another request may make it."""
    changed = {"data": kept.excluded.data, "expires_at": kept.excluded.expires_at}
    return kept.on_conflict_do_update(index_elements=["id"], set_=changed)


_LOAD = Statement(
    select(BrowserSession.data).where(BrowserSession.id == _ID, BrowserSession.expires_at > _AT)
)
SAVED = Statement(
    _saving(sqlite.insert(BrowserSession)),
    given=("id", "data", "expires_at"),
    postgresql=_saving(postgresql.insert(BrowserSession)).returning(relaxing()),
)
_DROP = Statement(delete(BrowserSession).where(BrowserSession.id == _ID))
_DROP_ENDED = Statement(delete(BrowserSession).where(BrowserSession.expires_at <= _AT))


def load(id: str) -> bytes | None:
    """Return what is kept under this id, unless it has ended."""
    found = direct.first(_LOAD, id=id, at=now())
    return None if found is None else found[0]


def save(id: str, data: bytes, life: timedelta) -> None:
    """Keep this under this id for so long; or owe it, where the answer is kept back.

    What a refused request has left open is dropped first. Not forced to disk: whoever's session is lost with
    the machine signs in anew, and a login that has ended has ended wherever a session still names it.
    """
    saved = {"id": id, "data": data, "expires_at": now() + life}
    owed = kept_back()
    if owed is not None:
        owed.sessions.append(saved)
        return
    let_go()  # or SQLite would wait here for our own lock
    direct.write(SAVED, forced=False, **saved)


def drop(id: str) -> None:
    """Forget what is kept under this id, for good: a session that was ended must not come back."""
    direct.write(_DROP, id=id)


def drop_ended() -> None:
    direct.write(_DROP_ENDED, at=now())
