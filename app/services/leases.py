"""Leases: who renews a grant's token. Taken by one conditional update, judged by the database's clock.

A lease that was not given back has ended with its holder. Where the provider may have been called under it,
the answer may stand in the spool of the holder's node: that node goes on at once, others wait for it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Float, Integer, String, and_, bindparam, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from app.extensions import db, direct, settings, spool
from app.models import Grant, clock, moment
from app.models.base import Id
from app.models.direct import Statement, columns_of, made
from app.oauth.provider import Provider
from app.spool import Place

SECONDS = 20.0
NO_LEASE = dict.fromkeys(("lease_owner", "lease_node", "lease_until", "attempted_at"))

_ID, _INCARNATION = bindparam("of_id", type_=Id), bindparam("of_incarnation", type_=String())
_GENERATION = bindparam("of_generation", type_=Integer())
_OWNER, _NODE = bindparam("owner", type_=String()), bindparam("node", type_=String())

# What must be true of a row whose lease may be taken.
_FREE = (
    Grant.ended_at.is_(None),
    or_(Grant.retry_at.is_(None), Grant.retry_at <= moment()),
    or_(Grant.lease_until.is_(None), Grant.lease_until < moment()),
    or_(
        Grant.attempted_at.is_(None),
        Grant.lease_node == _NODE,
        Grant.lease_until < moment(bindparam("before_patience", type_=Float())),
    ),
)

# What is true of the row of a lease, whatever else is asked for or written.
HELD = and_(
    Grant.id == _ID,
    Grant.incarnation == _INCARNATION,
    Grant.generation == _GENERATION,
    Grant.lease_owner == _OWNER,
)


def _taking(which: ColumnElement[bool]) -> Statement:
    leased = {"lease_owner": _OWNER, "lease_node": _NODE, "lease_until": clock(SECONDS)}
    taken = update(Grant).where(which, *_FREE).values(leased)
    return Statement(taken.returning(Grant.id, Grant.incarnation, Grant.generation))


_TAKE = _taking(and_(Grant.id == _ID, Grant.incarnation == _INCARNATION, Grant.generation == _GENERATION))
_TAKE_DUE = _taking(
    Grant.id
    == select(Grant.id)
    .where(Grant.provider == bindparam("of_provider", type_=String()), Grant.due_at <= moment(), *_FREE)
    .order_by(Grant.due_at)
    .limit(1)
    .with_for_update(skip_locked=True)
    .scalar_subquery()
)
_ATTEMPT = Statement(
    update(Grant)
    .where(HELD)
    .values(attempted_at=clock(), attempts=Grant.attempts + 1)
    .returning(*columns_of(Grant), clock())
)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to renew one generation of one grant."""

    place: Place
    owner: str

    def names(self) -> dict[str, Any]:
        """Return the values that `HELD` is asked with."""
        place = self.place
        row = {"of_id": place.row_id, "of_incarnation": place.incarnation, "of_generation": place.generation}
        return {**row, "owner": self.owner}


def take(grant: Grant) -> Lease | None:
    """Take the lease of this generation of the grant, in a transaction of its own. None: not now."""
    return _take(_TAKE, of_id=grant.id, of_incarnation=grant.incarnation, of_generation=grant.generation)


def take_due(provider: Provider) -> Lease | None:
    """Take the lease of the grant that is due the longest; several workers each get another."""
    return _take(_TAKE_DUE, of_provider=provider.name)


def attempt(lease: Lease) -> tuple[Grant, datetime] | None:
    """Record an attempt in the leased row, in a transaction of its own, and return that row and the time.

    None where the lease, the token or the row is gone. The row is part of no session.
    """
    rows = direct.write(_ATTEMPT, **lease.names())
    return (made(Grant, rows[0][:-1]), rows[0][-1]) if rows else None


def may_take_over(grant: Grant, at: datetime) -> bool:
    """Tell whether this node may go on with a renewal that was broken off. `_FREE` asks the database so."""
    waited = grant.lease_until is not None and at > free_for_all_at(grant.lease_until)
    return grant.lease_node == spool.node or waited


def free_for_all_at(lease_until: datetime) -> datetime:
    """Return when other nodes wait no longer for the one whose lease ended then."""
    return lease_until + _patience()


def held(lease: Lease) -> tuple[Grant, datetime] | None:
    """Return the leased row, locked, and the time; None where the lease, the token or the row is gone.

    Whatever is written about a renewal is written to what this returns.
    """
    found = select(Grant, clock()).where(HELD).with_for_update(of=Grant)
    row = db.session.execute(found, lease.names()).one_or_none()
    return None if row is None else (row[0], row[1])


def give_back(lease: Lease) -> None:
    """End a lease under which nothing was done. Where that fails too, it ends by itself."""
    mine = update(Grant).where(Grant.lease_owner == lease.owner)
    try:
        db.session.rollback()
        db.session.execute(mine.values(**NO_LEASE))
        db.session.commit()
    except SQLAlchemyError:
        db.session.rollback()


def _take(statement: Statement, **which: Any) -> Lease | None:
    owner, patience = secrets.token_hex(16), _patience().total_seconds()
    rows = direct.write(statement, owner=owner, node=spool.node, before_patience=-patience, **which)
    return Lease(Place(*rows[0]), owner) if rows else None


def _patience() -> timedelta:
    return timedelta(seconds=settings.lease_takeover_after)
