"""A typed connection: what a user stored. A legacy token is one whose data is exactly {"token": text}."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

from sqlalchemy import (
    JSON,
    ColumnElement,
    ForeignKey,
    Index,
    LargeBinary,
    ScalarSelect,
    String,
    Text,
    and_,
    cast,
    collate,
    column,
    func,
    literal,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Mapped, mapped_column

from app.vault import Vault

from .base import NEVER_REUSED, Base, Id, PrimaryKey, now
from .stored_json import loads

MASK = "--------"

HIGHEST = table("sqlite_sequence", column("name"), column("seq", Id))  # where AUTOINCREMENT keeps them

_SORTED = json.JSONEncoder(sort_keys=True)  # part of what seals are bound to: it may never change


class Connection(Base):
    """`outline` is the data with null for each secret; `sealed` holds those secrets.

    The outline is part of what the seal is bound to: a host that was altered takes no password along.
    """

    __tablename__ = "connections"
    __table_args__ = (
        Index("ix_connections_user_id_id", "user_id", "id"),
        Index("ix_connections_user_id_name", "user_id", "name"),
        NEVER_REUSED,
    )
    BOUND_TO: ClassVar = ("id", "incarnation", "user_id", "type", "outline")

    id: Mapped[PrimaryKey]
    user_id: Mapped[int] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"))
    incarnation: Mapped[str] = mapped_column(String(32), default=lambda: secrets.token_hex(16))
    name: Mapped[str] = mapped_column(String(255))
    type: Mapped[str] = mapped_column(String(64))
    outline: Mapped[dict[str, Any]] = mapped_column(JSON)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)

    def seal(
        self, vault: Vault, visible: Mapping[str, Any], hidden: Mapping[str, Any], order: list[str]
    ) -> None:
        """Keep this data. The row must have its id: it is part of what the seal is bound to."""
        self.outline = {name: visible.get(name) for name in order}
        self.sealed = vault.seal(_bytes(hidden), *self.place(self))

    def open(self, vault: Vault) -> dict[str, Any]:
        """Return the data in full, or raise SealBroken."""
        return data_of(self, vault)

    @property
    def holds_one_token(self) -> bool:
        """Whether this may be a legacy token; it is one if its token is a text."""
        return self.outline == {"token": None}

    @staticmethod
    def place(row: Any) -> tuple[str | int, ...]:
        """Return what the seal is bound to. `row` is an object, or a plain row of the columns `BOUND_TO`."""
        outline = _SORTED.encode(row.outline)
        return ("connections", row.id, row.incarnation, row.user_id, row.type, "data", outline)


class Stored(NamedTuple):
    """The columns of a connection that it takes to open and to show it, in the order of `STORED`."""

    id: int
    user_id: int
    incarnation: str
    name: str
    type: str
    outline: Any  # what it says, or the text that does
    sealed: bytes


STORED = tuple(Connection.__table__.c[name] for name in Stored._fields)


def data_of(row: Connection | Stored, vault: Vault) -> dict[str, Any]:
    """Return the data in full, or raise SealBroken."""
    hidden = loads(vault.open(row.sealed, *Connection.place(row)))
    return {name: hidden[name] if shown is None else shown for name, shown in row.outline.items()}


def masked(outline: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data with the mask for each secret."""
    return {name: MASK if shown is None else shown for name, shown in outline.items()}


def next_id() -> tuple[ColumnElement[int], ColumnElement[int]]:
    """Return the id that the next connection gets, on SQLite and on PostgreSQL. No id is given twice.

    On SQLite another connection may not be added meanwhile: ask it in the transaction that adds this one.
    """
    sequence = func.pg_get_serial_sequence(Connection.__tablename__, "id")
    return highest_id() + 1, func.nextval(sequence, type_=Id)


def highest_id() -> ColumnElement[int]:
    """Return the highest id that there ever was, on SQLite."""
    ever = select(HIGHEST.c.seq).where(HIGHEST.c.name == Connection.__tablename__).scalar_subquery()
    now = select(func.max(Connection.id)).scalar_subquery()
    highest: ColumnElement[int] = func.max(func.coalesce(ever, 0), func.coalesce(now, 0))
    return highest


def names_in(outline: ColumnElement[Any]) -> ScalarSelect[str]:
    """Return the names of the fields of an outline, in their order; on PostgreSQL alone."""
    name: ColumnElement[str] = func.json_object_keys(outline, type_=Text).column_valued("name")
    ordered: Any = aggregate_order_by(literal(", "), collate(name, "C"))
    return select(func.string_agg(name, ordered)).scalar_subquery()


def has_plain_names(outline: ColumnElement[Any]) -> ColumnElement[bool]:
    """Tell of an outline on PostgreSQL whether `names_in` can be had, and has only printable ASCII.

    What JSON does not write as it is begins with a backslash.
    """
    plain = cast(outline, Text).regexp_match(r"^[ -\[\]-~]*$")
    return and_(func.json_typeof(outline) == "object", plain)


def _bytes(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
