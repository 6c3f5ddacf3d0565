"""Who asks, and whether they still may: found out by the very statement that reads what they ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import String, and_, bindparam, func, outerjoin, select

from app.errors import TokenInvalid
from app.extensions import direct, settings
from app.models import Login, User
from app.models.base import Id
from app.models.direct import Row, Statement


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `user_id` is the row's, `shown_id` what callers know; `login_id` is None without a login."""

    user_id: int
    shown_id: int
    username: str
    username_key: str
    login_id: str | None = None


USER_ID = bindparam("user_id", type_=Id)
_LOGIN_ID = bindparam("login_id", type_=String())

# What a statement selects from, and what it asks of it: then it has a row only for a caller who still is who
# they were, neither shut out nor signed out. More is joined to it from outside, so that the row is there.
USERS = outerjoin(User, Login, and_(Login.user_id == User.id, Login.id == _LOGIN_ID))
STANDS = and_(
    User.id == USER_ID,
    User.username_key == bindparam("username_key", type_=String()),
    User.disabled_at.is_(None),
    func.coalesce(Login.id, "") == _LOGIN_ID,
)

# For whom something is written: a caller, whom the statement confirms, or a user who was found before.
CALLER = select(User.id).select_from(USERS).where(STANDS)
USER = select(User.id).where(User.id == USER_ID, User.disabled_at.is_(None))

_STANDS = Statement(CALLER)


def confirm(caller: Caller) -> None:
    """Raise TokenInvalid unless the caller still is who they were, and may ask."""
    rows(_STANDS, caller)


def rows(statement: Statement, caller: Caller, **values: Any) -> list[Row]:
    """Return what a statement finds that asks `STANDS`: a row at least. Raises TokenInvalid.

    One that writes an event is forced to disk as AUDIT_SYNC says.
    """
    found = direct.all(statement, forced=settings.audit_sync, **named(caller), **values)
    if not found:
        raise TokenInvalid
    return found


def named(caller: Caller) -> dict[str, Any]:
    """Return what a statement that asks `STANDS` must be given."""
    return {
        "user_id": caller.user_id,
        "username_key": caller.username_key,
        "login_id": caller.login_id or "",
    }
