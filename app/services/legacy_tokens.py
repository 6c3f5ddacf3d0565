"""Legacy tokens: typed connections that hold one token, seen through the old shapes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select

from app import counters
from app.connection_types import LONE_TOKEN, family_of
from app.errors import ConnectionNotFound, LegacyTokenNotFound, ServiceNotConnected, ServiceNotFound
from app.extensions import db, disclosing, vault
from app.models import Connection, User
from app.oauth.provider import Provider
from app.providers import ACCESS_WORDS
from app.vault import SealBroken

from . import alarm, audit, connections, tokens


class LegacyToken(NamedTuple):
    """One row of the old list. `token` is None where it no longer opens; `user_id` is what callers see."""

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
    """Return the token of this name and family; of several the newest.

    Where none is stored and `name` is empty or the service's own, it is the live token of the connected
    service. Raises LegacyTokenNotFound, and what `tokens.live` raises.
    """
    disclosing()
    rows = db.session.scalars(
        select(Connection)
        .where(
            Connection.user_id == user_id, Connection.name == name, Connection.type.in_(_family(token_type))
        )
        .order_by(Connection.id.desc())
    )
    row = next((row for row in rows if _is_legacy(row)), None)
    if row is None:
        return _live(user_id, name, token_type)
    token: str = connections.opened(row)["token"]
    audit.record("connection.read", user_id=user_id, target=f"connection:{row.id}", detail="token")
    db.session.commit()
    counters.secrets_read.labels("legacy").inc()
    return token


def _live(user_id: int, name: str, token_type: str) -> str:
    """Return the OAuth token of the service that this type means, which the seed's access URLs connect."""
    provider = next((ACCESS_WORDS[word] for word in family_of(token_type) if word in ACCESS_WORDS), None)
    if provider is None or (name and not _names(provider, name)):
        raise LegacyTokenNotFound
    db.session.rollback()  # what was looked for is not there; the token may be waited for
    try:
        return tokens.live(user_id=user_id, service=provider.service).access_token
    except (ServiceNotConnected, ServiceNotFound):
        raise LegacyTokenNotFound from None


def _names(provider: Provider, word: str) -> bool:
    return ACCESS_WORDS.get(word) is provider or any(word == service.name for service in provider.services)


def every(*, user_id: int) -> list[LegacyToken]:
    """Return all legacy tokens of a user by id, in full."""
    disclosing()
    rows = db.session.execute(
        select(Connection, User.shown_id)
        .join(User, User.id == Connection.user_id)
        .where(Connection.user_id == user_id)
        .order_by(Connection.id)
    ).all()
    opened = [(row, _token(row), shown_id) for row, shown_id in rows if row.holds_one_token]
    tokens = [_seen(row, token, shown_id) for row, token, shown_id in opened if isinstance(token, str | None)]
    ids = ", ".join(str(token.id) for token in tokens) or "none"
    audit.record("connection.read_all", user_id=user_id, target="connections", detail=f"token of: {ids}")
    db.session.commit()
    counters.secrets_read.labels("legacy").inc(len(tokens))
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
        alarm.does_not_open("connections", row.id)
        return None


def _seen(row: Connection, token: str | None, shown_id: int) -> LegacyToken:
    return LegacyToken(
        id=row.id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        token=token,
        token_type=row.type,
        user_id=shown_id,
        name=row.name,
    )
