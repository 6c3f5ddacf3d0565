"""Typed connections: read, list, rename, replace, delete. Others are stored by storing.py."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import String, and_, bindparam, cast, select

from app import counters
from app.connection_types import ConnectionType, type_of
from app.errors import (
    ConnectionNotFound,
    InvalidData,
    SecretUnreadable,
)
from app.extensions import db, reading, vault
from app.models import Connection, User
from app.models.base import Id
from app.models.connection import STORED, Stored, data_of, has_plain_names, names_in
from app.vault import SealBroken

from . import alarm, audit, standing
from .listing import Opened, shown
from .standing import Caller

_DASHES = re.compile(r"-{3,}")
_MASK_WITHOUT_SECRET = "A mask stands for a stored secret, and none is stored here."


_MINE = and_(Connection.user_id == User.id, Connection.id == bindparam("id", type_=Id))
_FROM_USER = select(*STORED).where(standing.STANDS)
_READ = audit.told_with(
    _FROM_USER.select_from(standing.USERS.outerjoin(Connection, _MINE)),
    "connection.read",
    target=lambda found: "connection:" + cast(found.c.id, String),
    detail=lambda found: names_in(found.c.outline),
    when=lambda found: has_plain_names(found.c.outline),
)


def read(*, caller: Caller, id: int | None) -> Opened:
    """Return one connection in full. Raises ConnectionNotFound, SecretUnreadable, TokenInvalid."""
    [found] = standing.rows(_READ.best, caller, id=id or 0, **audit.told())
    row, told = Stored(*found[:-1]), found[-1]
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


def opened(row: Connection | Stored) -> dict[str, Any]:
    """Return the data of a row in full. Raises SecretUnreadable."""
    try:
        return data_of(row, vault)
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
