"""Typed connections: add, read, list, rename, replace, delete."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

from sqlalchemy import FromClause, Select, String, and_, bindparam, cast, func, insert, literal, select
from sqlalchemy.sql.dml import ReturningInsert

from app import counters
from app.connection_types import KNOWN_WORDS, ConnectionType, find_type, type_of
from app.errors import (
    ConnectionNotFound,
    InvalidData,
    SecretUnreadable,
    TokenInvalid,
    TooManyConnections,
    UnknownConnectionType,
)
from app.extensions import db, direct, reading, settings, vault
from app.models import Connection, User, now
from app.models.base import Id
from app.models.connection import has_plain_names, names_in, next_id
from app.models.direct import Statement, Steps, Transaction, columns_of, made, values_of
from app.vault import SealBroken

from . import alarm, audit, standing
from .listing import Opened, shown
from .standing import Caller

_DASHES = re.compile(r"-{3,}")
_MASK_WITHOUT_SECRET = "A mask stands for a stored secret, and none is stored here."


_MINE = and_(Connection.user_id == User.id, Connection.id == bindparam("id", type_=Id))
_FROM_USER = select(*columns_of(Connection)).where(standing.STANDS)
_READ = audit.told_with(
    _FROM_USER.select_from(standing.USERS.outerjoin(Connection, _MINE)),
    "connection.read",
    target=lambda found: "connection:" + cast(found.c.id, String),
    detail=lambda found: names_in(found.c.outline),
    when=lambda found: has_plain_names(found.c.outline),
)


def _locking(whom: Select[int]) -> Statement:
    """Return what locks the row of whom a connection is added for, and tells the id that it gets."""
    here, there = next_id()
    locking = whom.with_for_update(of=User, key_share=True)
    return Statement(whom.add_columns(here), postgresql=locking.add_columns(there))


def _adding() -> Steps:
    """Return what adds a connection and the event of it, where its user may have one more."""
    count = select(func.count()).where(Connection.user_id == standing.USER_ID).scalar_subquery()
    room = select(literal(1)).where(count < bindparam("most", type_=Id)).cte("room")
    told = audit.recorded(room)
    return Steps(told, _row(audit.of_last_step()), postgresql=_row(room).add_cte(told.cte("told")))


def _row(room: FromClause) -> ReturningInsert[tuple[int]]:
    names = [column.name for column in columns_of(Connection)]
    values = [bindparam(column.name, type_=column.type) for column in columns_of(Connection)]
    row = insert(Connection).from_select(names, select(*values).select_from(room), include_defaults=False)
    return row.returning(Connection.id)


_LOCK_CALLER, _LOCK_USER = _locking(standing.CALLER), _locking(standing.USER)
_ADD = _adding()


def add(*, caller: Caller, name: str, type: str, data: Mapping[str, Any]) -> Opened:
    """Store a connection. Raises UnknownConnectionType, InvalidData, TooManyConnections, TokenInvalid."""
    shape = find_type(type)
    if shape is None:
        raise UnknownConnectionType(known=", ".join(KNOWN_WORDS))
    return store(user_id=caller.user_id, name=name, type=type, data=data, shape=shape, caller=caller)


def store(
    *,
    user_id: int,
    name: str,
    type: str,
    data: Mapping[str, Any],
    shape: ConnectionType,
    caller: Caller | None = None,
) -> Opened:
    """Store a connection, sealed. `type` may be any word; the data fits `shape`.

    Two at once cannot both be the last that is allowed: each counts under a lock on the user. Raises
    InvalidData, TooManyConnections; TokenInvalid where the user is gone, or the caller stands no longer.
    """
    kept = checked(shape, data, stored={})
    with direct.transaction() as under_way:
        id = _next_of(under_way, user_id, caller)
        row = _sealed(kept, id=id, user_id=user_id, name=name, type=type)
        event = audit.values(
            "connection.add", user_id=user_id, target=f"connection:{id}", detail=fields_of(kept)
        )
        if not under_way.end(_ADD, most=settings.max_connections_per_user, **event | values_of(row)):
            raise TooManyConnections
    return Opened(row.id, row.name, row.type, kept)


def _next_of(under_way: Transaction, user_id: int, caller: Caller | None) -> int:
    """Lock the user, and return the id of the connection that is added next. Raises TokenInvalid."""
    if caller is None:
        found = under_way.first(_LOCK_USER, user_id=user_id)
    else:
        found = under_way.first(_LOCK_CALLER, **standing.named(caller))
    if found is None:
        raise TokenInvalid
    return int(found[1])


def _sealed(data: Mapping[str, Any], **values: Any) -> Connection:
    at = now()
    row = Connection.of(incarnation=secrets.token_hex(16), created_at=at, updated_at=at, **values)
    seal(row, data)
    return row


def read(*, caller: Caller, id: int | None) -> Opened:
    """Return one connection in full. Raises ConnectionNotFound, SecretUnreadable, TokenInvalid."""
    [found] = standing.rows(_READ.best, caller, id=id or 0, **audit.told())
    row, told = made(Connection, found[:-1]), found[-1]
    if row.id is None:
        raise ConnectionNotFound
    if not told:
        outline = row.outline if isinstance(row.outline, dict) else {}  # or it is what was spoiled
        target = f"connection:{row.id}"
        audit.disclose("connection.read", user_id=row.user_id, target=target, detail=fields_of(outline))
    data = opened(row)
    counters.secrets_read.labels("typed").inc()
    return Opened(row.id, row.name, row.type, data)


def names(*, user_id: int) -> dict[int, str]:
    """Return the names of all connections of a user, by id."""
    reading()
    mine = select(Connection.id, Connection.name).where(Connection.user_id == user_id)
    found = {row.id: row.name for row in db.session.execute(mine)}
    db.session.rollback()
    return found


def look(*, user_id: int, id: int | None) -> Opened:
    """Return one connection, secrets masked. Raises ConnectionNotFound."""
    reading()
    found = shown(find(user_id, id, to_change=False))
    db.session.rollback()
    return found


def exists(*, user_id: int, id: int | None) -> bool:
    """Tell whether this user has a connection of this id. Raises ConnectionNotFound for what is no id."""
    if id is None:
        raise ConnectionNotFound
    reading()
    mine = select(Connection.id).where(Connection.id == id, Connection.user_id == user_id)
    return db.session.scalar(mine) is not None


def rename(*, user_id: int, id: int | None, name: str) -> None:
    row = find(user_id, id)
    row.name = name
    audit.record("connection.rename", user_id=user_id, target=f"connection:{row.id}")
    db.session.commit()


def replace(
    *, user_id: int, id: int | None, data: Mapping[str, Any], shape: ConnectionType | None = None
) -> None:
    """Replace the data whole. A secret sent as dashes keeps what is stored; null removes a field.

    The data must fit `shape`: the row's type, where none is given.
    """
    row = find(user_id, id)
    shape = shape or type_of(row.type)
    masked = any(_is_mask(shape, name, value) for name, value in data.items())
    kept = checked(shape, data, stored=opened(row) if masked else {})
    seal(row, kept)
    audit.record("connection.replace", user_id=user_id, target=f"connection:{row.id}", detail=fields_of(kept))
    db.session.commit()


def delete(*, user_id: int, id: int | None) -> None:
    row = find(user_id, id)
    audit.record("connection.delete", user_id=user_id, target=f"connection:{row.id}")
    db.session.delete(row)
    db.session.commit()


def find(user_id: int, id: int | None, *, to_change: bool = True) -> Connection:
    """Return this user's row, locked if it will change. Another user's is as missing: ConnectionNotFound."""
    mine = select(Connection).where(Connection.id == id, Connection.user_id == user_id)
    row = None if id is None else db.session.scalar(mine.with_for_update() if to_change else mine)
    if row is None:
        raise ConnectionNotFound
    return row


def opened(row: Connection) -> dict[str, Any]:
    """Return the data of a row in full. Raises SecretUnreadable."""
    try:
        return row.open(vault)
    except SealBroken:
        alarm.does_not_open("connections", row.id)
        raise SecretUnreadable from None


def seal(row: Connection, data: Mapping[str, Any]) -> None:
    known = type_of(row.type)
    hidden = {name: value for name, value in data.items() if known.is_secret(name)}
    visible = {name: value for name, value in data.items() if name not in hidden}
    row.seal(vault, visible, hidden, order=list(data))


def fields_of(data: Mapping[str, Any]) -> str:
    """Return the names of the fields, for the audit."""
    return ", ".join(sorted(data))


def _is_mask(shape: ConnectionType, name: str, value: Any) -> bool:
    return isinstance(value, str) and _DASHES.fullmatch(value) is not None and shape.is_secret(name)


def checked(shape: ConnectionType, data: Mapping[str, Any], *, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data as it will be kept: masks filled in, nulls gone, and all of it checked."""
    masks = [name for name, value in data.items() if _is_mask(shape, name, value)]
    problems = {name: [_MASK_WITHOUT_SECRET] for name in masks if name not in stored}
    kept = {
        name: stored.get(name, value) if name in masks else value
        for name, value in data.items()
        if value is not None
    }
    if problems := shape.check(kept) | problems:
        raise InvalidData(details=problems)
    return kept
