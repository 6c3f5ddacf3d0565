"""Typed connections as lists show them: secrets masked, and one that no longer opens marked.

That a row opens is found out by opening it, once in a while. Meanwhile it is remembered, as it is stored and
letter by letter, together with what was made of what it shows: what has not changed in anything opens again.
No secret is remembered; a row that does not open never is, nor one that is large.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import repeat
from time import time
from typing import Any, TypeVar

from sqlalchemy import Text, cast, select

from app.connection_types import type_of
from app.extensions import listed, vault
from app.models import Connection, User
from app.models.connection import STORED, Stored, masked
from app.models.direct import Statement
from app.models.stored_json import loads_or_none
from app.vault import SealBroken

from . import alarm, standing
from .standing import Caller

Made = TypeVar("Made")

KEPT = 3600.0  # seconds
LARGEST = 1024  # characters and bytes of a row that is remembered: one takes up a few kilobytes at most

_EVERY = Statement(
    select(*(cast(column, Text) if column.name == "outline" else column for column in STORED))
    .select_from(standing.USERS.outerjoin(Connection, Connection.user_id == User.id))
    .where(standing.STANDS)
    .order_by(Connection.id)
)


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection as its owner sees it. `data` is in full or masked, as asked for."""

    id: int
    name: str
    type: str
    data: Mapping[str, Any]
    unreadable: bool = False


def every(*, caller: Caller, make: Callable[[Opened], Made]) -> list[Made]:
    """Return all connections of a user by id: what `make` makes of each, secrets masked. Raises TokenInvalid.

    It is remembered by `make` itself, which is called again only for what has changed.
    """
    rows = [row for row in standing.rows(_EVERY, caller) if row[0] is not None]
    known = listed.several(zip(repeat(make), [row[0] for row in rows]))
    return [
        before[1] if before is not None and before[0] == row else _anew(Stored(*row), make)
        for row, before in zip(rows, known, strict=True)
    ]


def itself(found: Opened) -> Opened:
    """Make nothing else of it."""
    return found


def shown(row: Any) -> Opened:
    """Return one, secrets masked: `row` is an object, or a plain row of the same columns."""
    try:
        vault.open(row.sealed, *Connection.place(row))
    except SealBroken:
        alarm.does_not_open("connections", row.id)
        return Opened(row.id, row.name, row.type, _without_secrets(row), unreadable=True)
    return Opened(row.id, row.name, row.type, masked(row.outline))


def _anew(row: Stored, make: Callable[[Opened], Made]) -> Made:
    found = shown(row._replace(outline=loads_or_none(row.outline)))
    made = make(found)
    if not found.unreadable and len(row.outline) + len(row.sealed) <= LARGEST:
        listed.keep((make, row.id), (row, made), until=time() + KEPT)
    return made


def _without_secrets(row: Any) -> dict[str, Any]:
    """Return what a row shows that does not open; its outline may be the part that was spoiled."""
    known, outline = type_of(row.type), row.outline if isinstance(row.outline, dict) else {}
    return {name: None if known.is_secret(name) else value for name, value in outline.items()}
