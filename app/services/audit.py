"""The audit. An event is committed together with what it tells of, before a secret leaves; then only read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Insert,
    Select,
    String,
    Update,
    bindparam,
    false,
    func,
    insert,
    literal,
    select,
)

import logs
from app.errors import UserNotFound
from app.extensions import db, direct, reading, settings
from app.models import AuditEvent, User, now
from app.models.adding import adding
from app.models.direct import Statement, Steps, relaxing
from app.usernames import key_if_possible
from app.waiting import waiting

from .owing import Values, kept_back
from .standing import USER_ID

OPERATOR = "operator"

_GIVEN = ("at", "user_id", "actor", "action", "target", "detail", "address", "request_id")
EVENTS = adding(AuditEvent, _GIVEN)  # of any number of `rows`


@dataclass(frozen=True, slots=True)
class Page:
    """Events, the latest first. `next` is what `before` must be for the page after this; None: the last."""

    events: Sequence[AuditEvent]
    next: int | None


def record(action: str, *, user_id: int | None, target: str = "", detail: str = "") -> None:
    """Add an event to the transaction under way.

    Who acts, from which address and in which request is taken from the context that the door has bound
    (logs.py, whose lines tell the same): `actor`, `address`, `request_id`.
    """
    db.session.add(_event(action, user_id=user_id, target=target, detail=detail))


def recorded(rows: FromClause) -> Insert:
    """Return a statement that adds an event for each of these rows. It needs those of `values`."""
    given = [bindparam(name, type_=AuditEvent.__table__.c[name].type) for name in _GIVEN]
    return insert(AuditEvent).from_select(_GIVEN, select(*given).select_from(rows), include_defaults=False)


def values(action: str, *, user_id: int | None, target: str, detail: str) -> Values:
    """Return an event's values, with who acts, and from where, as of the context: see `record`."""
    described = {"action": action, "target": plain(target)[:320], "detail": plain(detail)}
    return {"at": now(), "user_id": user_id, **described, **_context()}


def disclose(action: str, *, user_id: int, target: str, detail: str) -> None:
    """Commit an event by itself, before the secret leaves; or owe it, where the answer is kept back.

    AUDIT_SYNC says whether it is forced to disk.
    """
    event = values(action, user_id=user_id, target=target, detail=detail)
    owed = kept_back()
    if owed is None:
        direct.write(EVENTS, forced=settings.audit_sync, rows=[event])
    else:
        owed.events.append(event)


class Telling:
    """What finds one row, and may commit the event of its disclosure along with it. See `told_with`."""

    def __init__(self, found: Select[Any], both: Select[Any]) -> None:
        self._finds = Statement(found.add_columns(false()))
        self._finds_and_tells = Statement(found.add_columns(false()), postgresql=both)

    @property
    def best(self) -> Statement:
        """What costs least now: where others are served, too, their events share a commit."""
        return self._finds if waiting.has_company() else self._finds_and_tells


def told_with(
    found: Select[Any],
    action: str,
    *,
    target: Callable[[CTE], ColumnElement[str]],
    detail: Callable[[CTE], ColumnElement[str]],
    when: Callable[[CTE], ColumnElement[bool]],
) -> Telling:
    """Return what finds the same one row, and may commit the event of its disclosure, `when` it may.

    Its last column tells whether it has: on SQLite it never does. It needs the values of `told`. What the
    event says is of the row as `found` names its columns, and must be plain.
    """
    rows = found.cte("found")
    event = select(
        bindparam("at", type_=AuditEvent.at.type),
        USER_ID,
        bindparam("actor", type_=String()),
        literal(action),
        target(rows),
        detail(rows),
        bindparam("address", type_=String()),
        bindparam("request_id", type_=String()),
    ).where(when(rows))
    told = insert(AuditEvent).from_select(_GIVEN, event, include_defaults=False)
    of_it = told.returning(AuditEvent.id, relaxing()).cte("told")
    return Telling(found, select(*rows.c, select(of_it.c.id).exists()))


def told_of(change: Update, key: ColumnElement[Any]) -> Steps:
    """Return a change of one row and the event of it, which is committed with it or not at all.

    It returns nothing where it has changed nothing, and needs the values of `values`.
    """
    changed = change.returning(key).cte("changed")
    return Steps(
        change,
        recorded(of_last_step()).returning(AuditEvent.id),
        postgresql=recorded(changed).returning(AuditEvent.id),
    )


def of_last_step() -> FromClause:
    """Return a row where the step before has changed something; on SQLite alone, which counts what it has."""
    return select(literal(1)).where(func.changes() > 0).subquery()


def told() -> dict[str, Any]:
    """Return what the statements of `told_with` must be given: when, who, from where, in which request."""
    return {"at": now(), **_context()}


def deny(why: str, *, username: str) -> None:
    """Write down that a caller was refused what is this user's; with the same statement if there is none."""
    event = _event("denied", target=username, detail=why)
    event.user_id = select(User.id).where(User.username_key == key_if_possible(username)).scalar_subquery()
    db.session.add(event)
    db.session.commit()


def page(
    *,
    limit: int,
    before: int | None = None,
    user_id: int | None = None,
    username: str | None = None,
    action: str | None = None,
    since: datetime | None = None,
) -> Page:
    """Return events, the latest first: of one user or of all, of one kind, since a moment.

    Raises UserNotFound where a name is given that nobody has.
    """
    reading()
    if username is not None:
        user_id = db.session.scalar(select(User.id).where(User.username_key == key_if_possible(username)))
        if user_id is None:
            raise UserNotFound
    found = select(AuditEvent).order_by(AuditEvent.id.desc()).limit(limit + 1)
    if user_id is not None:
        found = found.where(AuditEvent.user_id == user_id)
    if before is not None:
        found = found.where(AuditEvent.id < before)
    if action is not None:
        found = found.where(AuditEvent.action == action)
    if since is not None:
        found = found.where(AuditEvent.at >= since)
    events = db.session.scalars(found).all()
    return Page(events[:limit], events[limit - 1].id if len(events) > limit else None)


def _event(action: str, *, target: str, detail: str, user_id: int | None = None) -> AuditEvent:
    return AuditEvent(**values(action, user_id=user_id, target=target, detail=detail))


def _context() -> dict[str, str]:
    context = logs.context()
    return {
        "actor": plain(str(context.get("actor", OPERATOR)))[:80],
        "address": str(context.get("address", ""))[:64],
        "request_id": str(context.get("request_id", ""))[:64],
    }


def plain(text: str) -> str:
    """Escape control characters: what users have named is one line wherever it is shown."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
