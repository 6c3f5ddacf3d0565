"""Legacy tokens: typed connections that hold one token, seen through the old shapes."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import String, and_, bindparam, select

from app import counters
from app.connection_types import LONE_TOKEN, family_of
from app.errors import (
    ConnectionNotFound,
    LegacyTokenNotFound,
    SecretUnreadable,
    ServiceNotConnected,
    ServiceNotFound,
)
from app.extensions import db, vault
from app.models import Connection, User
from app.models.direct import Statement, columns_of, made
from app.oauth.provider import Provider
from app.providers import ACCESS_WORDS
from app.vault import SealBroken

from . import alarm, audit, connections, standing, storing, tokens
from .standing import Caller

_ROW = columns_of(Connection)
_EVERY = Statement(
    select(*_ROW, User.shown_id)
    .select_from(standing.USERS.outerjoin(Connection, Connection.user_id == User.id))
    .where(standing.STANDS)
    .order_by(Connection.id)
)


@cache
def _named(types: int) -> Statement:
    """Return what finds a user's rows of one name and of so many types, the newest first."""
    mine = and_(
        Connection.user_id == User.id,
        Connection.name == bindparam("name", type_=String()),
        Connection.type.in_([bindparam(f"type_{number}", type_=String()) for number in range(types)]),
    )
    found = select(*_ROW).select_from(standing.USERS.outerjoin(Connection, mine))
    return Statement(found.where(standing.STANDS).order_by(Connection.id.desc()))


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
    storing.store(user_id=user_id, name=name, type=token_type, data={"token": token}, shape=LONE_TOKEN)


def get(*, caller: Caller, name: str, token_type: str) -> str:
    """Return the token of this name and family; of several the newest.

    Where none is stored and `name` is empty or the service's own, it is the live token of the connected
    service. Raises TokenInvalid, LegacyTokenNotFound, SecretUnreadable, and what `tokens.live` raises.
    """
    found = _newest(caller, name, token_type)
    if found is None:
        return _live(caller, name, token_type)
    id, token = found
    if token is None:
        raise SecretUnreadable
    audit.disclose("connection.read", user_id=caller.user_id, target=f"connection:{id}", detail="token")
    counters.secrets_read.labels("legacy").inc()
    return token


def _newest(caller: Caller, name: str, token_type: str) -> tuple[int, str | None] | None:
    """Return id and token of the newest legacy token of this name and family; one that opens is a text."""
    types = {f"type_{number}": word for number, word in enumerate(_family(token_type))}
    for values in standing.rows(_named(len(types)), caller, name=name, **types):
        row = made(Connection, values)
        if row.id is not None and row.holds_one_token and isinstance(token := _token(row), str | None):
            return row.id, token
    return None


def _live(caller: Caller, name: str, token_type: str) -> str:
    """Return the OAuth token of the service that this type means, which the seed's access URLs connect."""
    provider = next((ACCESS_WORDS[word] for word in family_of(token_type) if word in ACCESS_WORDS), None)
    if provider is None or (name and not _names(provider, name)):
        raise LegacyTokenNotFound
    try:
        return tokens.live(caller=caller, service=provider.service).access_token
    except (ServiceNotConnected, ServiceNotFound):
        raise LegacyTokenNotFound from None


def _names(provider: Provider, word: str) -> bool:
    return ACCESS_WORDS.get(word) is provider or any(word == service.name for service in provider.services)


def every(*, caller: Caller) -> list[LegacyToken]:
    """Return all legacy tokens of a user by id, in full. Raises TokenInvalid."""
    found = [(made(Connection, values[:-1]), values[-1]) for values in standing.rows(_EVERY, caller)]
    opened = [(row, _token(row), shown_id) for row, shown_id in found if row.id and row.holds_one_token]
    tokens = [_seen(row, token, shown_id) for row, token, shown_id in opened if isinstance(token, str | None)]
    ids = ", ".join(str(token.id) for token in tokens) or "none"
    target, told = "connections", f"token of: {ids}"
    audit.disclose("connection.read_all", user_id=caller.user_id, target=target, detail=told)
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
