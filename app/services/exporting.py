"""Everything that users keep here, opened: for a file of their operator's, in which it is sealed again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from heapq import merge
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, true
from sqlalchemy.orm import InstrumentedAttribute, selectinload

from app.errors import UserNotFound
from app.extensions import db, reading, vault
from app.models import Base, Connection, Departure, Grant, Revocation, ServiceKey, ServiceKeyUser, User
from app.providers import SERVICES
from app.usernames import key_if_possible
from app.vault import SealBroken

from . import audit, spooled
from .archive import Kind

BATCH = 100  # rows of a table that are in memory at a time
NOBODY = "nobody"

Values = Mapping[str, Any]

_SERVICES = {service.id: service.name for service in SERVICES}


@dataclass(frozen=True, slots=True)
class Leaving:
    """Whose rows leave. `whole`: everybody's, and with them what is nobody's."""

    user_ids: frozenset[int]
    whole: bool

    def of(self, owner: InstrumentedAttribute[int]) -> ColumnElement[bool]:
        return true() if self.whole else owner.in_(self.user_ids)


@dataclass(frozen=True, slots=True)
class Item:
    """A row that leaves. `values` is None where it does not open; `whose` is a username, or a name."""

    kind: Kind
    id: int
    whose: str
    values: Values | None = field(repr=False)


def announce(usernames: Collection[str]) -> Leaving:
    """Write down that what these users keep is about to leave; what all keep, where none is named.

    What waits in this node's spool is stored before. Raises UserNotFound.
    """
    spooled.replay()
    keys = {key_if_possible(username) for username in usernames}
    reading()
    found = select(User.id).where(User.username_key.in_(keys) if keys else true())
    user_ids = db.session.scalars(found.order_by(User.id)).all()
    db.session.rollback()
    if len(user_ids) < len(keys):
        raise UserNotFound
    for first in range(0, len(user_ids), BATCH):
        for user_id in user_ids[first : first + BATCH]:
            audit.record("data.export", user_id=user_id)
        db.session.commit()
    return Leaving(frozenset(user_ids), whole=not keys)


def count(leaving: Leaving) -> int:
    """Return how many rows will leave, more or less."""
    reading()
    owners = (User.id, Connection.user_id, Grant.user_id)
    counts = [db.session.scalar(select(func.count(one)).where(leaving.of(one))) or 0 for one in owners]
    db.session.rollback()
    return sum(counts)


def everything(leaving: Leaving) -> Iterator[Item]:
    """Yield all rows as they were at one moment: each user and what is theirs, then what is nobody's."""
    db.session.connection(execution_options={"reads_only": True, "isolation_level": "SERIALIZABLE"})
    yield from _owned(leaving)
    if leaving.whole:
        yield from _revocations(leaving)
        yield from _departures()
        yield from _service_keys(leaving)
    db.session.rollback()


def _owned(leaving: Leaving) -> Iterator[Item]:
    """Go through three tables side by side. Who came after the announcement is left out."""
    users = select(User).order_by(User.id)
    connections = select(Connection).order_by(Connection.user_id, Connection.id)
    grants = select(Grant).order_by(Grant.user_id, Grant.provider).options(selectinload(Grant.links))
    streams = (
        _stream(users.where(leaving.of(User.id))),
        _stream(connections.where(leaving.of(Connection.user_id))),
        _stream(grants.where(leaving.of(Grant.user_id))),
    )
    whose = ""
    for row in merge(*streams, key=_owner):  # of rows of one owner, the earliest stream's come first
        if _owner(row) not in leaving.user_ids:
            continue
        if isinstance(row, User):
            whose = row.username
            yield Item(Kind.USER, row.id, whose, _user(row))
        elif isinstance(row, Connection):
            yield _opened(Kind.CONNECTION, row, whose, _connection)
        else:
            yield _opened(Kind.GRANT, row, whose, _grant)


def _revocations(leaving: Leaving) -> Iterator[Item]:
    """Yield what is still to be ended. Its user may have gone before."""
    queued = select(Revocation, User.username).outerjoin(User, User.id == Revocation.user_id)
    for row, username in db.session.execute(queued.order_by(Revocation.id)).yield_per(BATCH):
        whose = username if row.user_id in leaving.user_ids else None
        yield _opened(Kind.REVOCATION, row, whose or NOBODY, _revocation, username=whose)


def _departures() -> Iterator[Item]:
    for row in _stream(select(Departure).order_by(Departure.external_id)):
        yield Item(Kind.DEPARTURE, row.external_id, NOBODY, _columns(row))


def _service_keys(leaving: Leaving) -> Iterator[Item]:
    theirs = select(ServiceKeyUser.key_id, User.id, User.username).join(User)
    usernames: dict[int, list[str]] = defaultdict(list)
    for key_id, user_id, username in db.session.execute(theirs.order_by(User.id)):
        usernames[key_id] += [username] * (user_id in leaving.user_ids)
    for row in _stream(select(ServiceKey).order_by(ServiceKey.id)):
        named = None if row.for_all else usernames[row.id]
        yield Item(Kind.SERVICE_KEY, row.id, row.name, {**_columns(row), "usernames": named})


def _stream(rows: Select[Any]) -> Iterator[Any]:
    return iter(db.session.scalars(rows.execution_options(yield_per=BATCH)))


def _owner(row: User | Connection | Grant) -> int:
    return row.id if isinstance(row, User) else row.user_id


def _opened(kind: Kind, row: Any, whose: str, values: Callable[[Any], Values], **more: Any) -> Item:
    try:
        return Item(kind, row.id, whose, {**values(row), **more})
    except SealBroken:
        return Item(kind, row.id, whose, None)


def _columns(row: Base) -> dict[str, Any]:
    """Return all that the row has. Which of it is written out stands in the schemas."""
    return {each.key: getattr(row, each.key) for each in row.__mapper__.column_attrs}


def _user(row: User) -> Values:
    return {**_columns(row), "email": row.known_email, "password_hash": row.password_hash or None}


def _connection(row: Connection) -> Values:
    return {**_columns(row), "data": row.open(vault)}


def _grant(row: Grant) -> Values:
    links = [{**_columns(link), "service": _SERVICES[link.service_id]} for link in row.links]
    return {**_columns(row), **asdict(row.open(vault)), "links": links}


def _revocation(row: Revocation) -> Values:
    return {**_columns(row), **asdict(row.open(vault))}
