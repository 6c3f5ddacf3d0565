"""Legacy tokens: typed connections that hold one token, seen through the old shapes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select

from app.connection_types import LONE_TOKEN, family_of
from app.errors import ConnectionNotFound, LegacyTokenNotFound
from app.extensions import db, vault
from app.models import Connection
from app.vault import SealBroken

from . import audit, connections


class LegacyToken(NamedTuple):
    """One row of the old list. `token` is None where it no longer opens."""

    id: int
    created_at: datetime
    updated_at: datetime
    token: str | None
    token_type: str
    user_id: int
    name: str


def add(*, user_id: int, name: str, token_type: str, token: str) -> None:
    """Store a token under any type word. Raises InvalidData, TooManyConnections."""
    connections.store(user_id=user_id, name=name, type=token_type, data={"token": token}, shape=LONE_TOKEN)
    db.session.commit()


def get(*, user_id: int, name: str, token_type: str) -> str:
    """Return the token of this name and family; of several the newest. Raises LegacyTokenNotFound."""
    rows = db.session.scalars(
        select(Connection)
        .where(
            Connection.user_id == user_id, Connection.name == name, Connection.type.in_(_family(token_type))
        )
        .order_by(Connection.id.desc())
    )
    row = next((row for row in rows if _is_legacy(row)), None)
    if row is None:
        raise LegacyTokenNotFound
    token: str = connections.opened(row)["token"]
    audit.record("connection.read", user_id=user_id, target=f"connection:{row.id}", detail="token")
    db.session.commit()
    return token


def every(*, user_id: int) -> list[LegacyToken]:
    """Return all legacy tokens of a user by id, in full."""
    rows = db.session.scalars(
        select(Connection).where(Connection.user_id == user_id).order_by(Connection.id)
    ).all()
    opened = [(row, _token(row)) for row in rows if row.holds_one_token]
    tokens = [_seen(row, token) for row, token in opened if isinstance(token, str | None)]
    ids = ", ".join(str(token.id) for token in tokens)
    audit.record("connection.read_all", user_id=user_id, target="connections", detail=f"token of: {ids}")
    db.session.commit()
    return tokens


def rename(*, user_id: int, id: int, name: str) -> None:
    _find(user_id, id)
    connections.rename(user_id=user_id, id=id, name=name)


def check(*, user_id: int, id: int) -> None:
    """Return when this user has a token of this id. Raises LegacyTokenNotFound."""
    _find(user_id, id)
    db.session.rollback()


def replace(*, user_id: int, id: int, token: str) -> None:
    _find(user_id, id)
    connections.replace(user_id=user_id, id=id, data={"token": token}, shape=LONE_TOKEN)


def delete(*, user_id: int, id: int) -> None:
    _find(user_id, id)
    connections.delete(user_id=user_id, id=id)


def _family(token_type: str) -> tuple[str, ...]:
    return tuple({token_type, *family_of(token_type)})


def _find(user_id: int, id: int) -> Connection:
    try:
        row = connections.find(user_id, id)
    except ConnectionNotFound:
        raise LegacyTokenNotFound from None
    if not _is_legacy(row):
        raise LegacyTokenNotFound
    return row


def _is_legacy(row: Connection) -> bool:
    """Tell whether the data is exactly one token that is a text. One that does not open counts as one."""
    return row.holds_one_token and isinstance(_token(row), str | None)


def _token(row: Connection) -> Any:
    try:
        return row.open(vault)["token"]
    except SealBroken:
        return None


def _seen(row: Connection, token: str | None) -> LegacyToken:
    return LegacyToken(
        id=row.id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        token=token,
        token_type=row.type,
        user_id=row.user_id,
        name=row.name,
    )
