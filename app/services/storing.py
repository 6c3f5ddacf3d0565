"""New connections: stored, each with the event of it, where their users may have one more."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import partial
from typing import Any

from sqlalchemy import FromClause, Select, bindparam, func, insert, literal, null, select
from sqlalchemy.sql.dml import ReturningInsert

from app.connection_types import KNOWN_WORDS, ConnectionType, find_type
from app.errors import TokenInvalid, TooManyConnections, UnknownConnectionType
from app.extensions import connection_ids, direct, settings
from app.models import Connection, User, now
from app.models.base import Id
from app.models.connection import next_id
from app.models.direct import Statement, Steps, columns_of, values_of
from app.waiting import waiting

from . import audit, connections, standing
from .listing import Opened
from .owing import Values, kept_back
from .standing import Caller

MANY = 500  # more than are under way at once for one user, wherever they are


class _Ways:
    """How somebody is found who may have one more connection."""

    def __init__(self, whom: Select[int]) -> None:
        here, there = next_id()
        locked = whom.with_for_update(of=User, key_share=True)
        # In the transaction that adds it, with a lock on the user, and with its id.
        self.locking = Statement(whom.add_columns(here), postgresql=locked.add_columns(there))
        # Before it, without one, where they may have many more; PostgreSQL gives its id along with it.
        far = whom.where(_COUNT + MANY < _MOST)
        self.reserving = Statement(far.add_columns(null()), postgresql=far.add_columns(there))


_COUNT = select(func.count()).where(Connection.user_id == standing.USER_ID).scalar_subquery()
_MOST = bindparam("most", type_=Id)


def _adding(rows: Select[int]) -> Steps:
    """Return what adds a connection and the event of it where there is such a row."""
    room = rows.cte("room")
    both = _row(room).add_cte(audit.recorded(room).cte("told"))
    return Steps(audit.recorded(room), _row(audit.of_last_step()), postgresql=both)


def _row(room: FromClause) -> ReturningInsert[tuple[int]]:
    names = [column.name for column in columns_of(Connection)]
    values = [bindparam(column.name, type_=column.type) for column in columns_of(Connection)]
    row = insert(Connection).from_select(names, select(*values).select_from(room), include_defaults=False)
    return row.returning(Connection.id)


_FOR_CALLER, _FOR_USER = _Ways(standing.CALLER), _Ways(standing.USER)
_ADD = _adding(select(literal(1)).where(_COUNT < _MOST))

ADDED = _adding(select(User.id).where(User.id == standing.USER_ID))  # where the user is still there


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

    Two at once cannot both be the last that is allowed: each counts under a lock on the user. Far from that
    no lock is needed, and the row may be owed, where the answer is kept back. Raises InvalidData,
    TooManyConnections; TokenInvalid where the user is gone, or the caller stands no longer.
    """
    kept = connections.checked(shape, data, stored={})
    ways, who = (_FOR_USER, {"user_id": user_id}) if caller is None else (_FOR_CALLER, standing.named(caller))
    asked = {**who, "most": settings.max_connections_per_user}
    made_of = partial(_sealed, kept, user_id=user_id, name=name, type=type)
    owed = kept_back()
    if owed is not None and waiting.has_company():
        reserved = direct.first(ways.reserving, **asked)
        id = reserved and (reserved[1] or connection_ids.take())
        if id:
            row = made_of(id=id)
            owed.connections.append(_event(row, kept) | values_of(row))
            return Opened(row.id, row.name, row.type, kept)
    connection_ids.leave()
    with direct.transaction() as under_way:
        locked = under_way.first(ways.locking, **who)
        if locked is None:
            raise TokenInvalid
        row = made_of(id=locked[1])
        if not under_way.end(_ADD, **asked | _event(row, kept) | values_of(row)):
            raise TooManyConnections
    return Opened(row.id, row.name, row.type, kept)


def _event(row: Connection, data: Mapping[str, Any]) -> Values:
    target = f"connection:{row.id}"
    return audit.values(
        "connection.add", user_id=row.user_id, target=target, detail=connections.fields_of(data)
    )


def _sealed(data: Mapping[str, Any], **values: Any) -> Connection:
    at = now()
    row = Connection.of(incarnation=secrets.token_hex(16), created_at=at, updated_at=at, **values)
    connections.seal(row, data)
    return row
