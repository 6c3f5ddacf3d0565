"""Leases: who renews a grant's token. Taken by one conditional update, judged by the database's clock.

A lease that was not given back has ended with its holder. Where the provider may have been called under it,
the answer may stand in the spool of the holder's node: that node goes on at once, others wait for it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from app.extensions import db, settings, spool
from app.models import Grant, clock, moment
from app.oauth.provider import Provider
from app.spool import Place

SECONDS = 20.0
NO_LEASE = dict.fromkeys(("lease_owner", "lease_node", "lease_until", "attempted_at"))


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to renew one generation of one grant."""

    place: Place
    owner: str


def take(grant: Grant) -> Lease | None:
    """Take the lease of this generation of the grant, in a transaction of its own. None: not now."""
    this = and_(
        Grant.id == grant.id,
        Grant.incarnation == grant.incarnation,
        Grant.generation == grant.generation,
    )
    return _take(this)


def take_due(provider: Provider) -> Lease | None:
    """Take the lease of the grant that is due the longest; several workers each get another."""
    due = (
        select(Grant.id)
        .where(Grant.provider == provider.name, Grant.due_at <= moment(), *_free())
        .order_by(Grant.due_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return _take(Grant.id == due.scalar_subquery())


def may_take_over(grant: Grant, at: datetime) -> bool:
    """Tell whether this node may go on with a renewal that was broken off. `_free` asks the database so."""
    waited = grant.lease_until is not None and at > free_for_all_at(grant.lease_until)
    return grant.lease_node == spool.node or waited


def free_for_all_at(lease_until: datetime) -> datetime:
    """Return when other nodes wait no longer for the one whose lease ended then."""
    return lease_until + _patience()


def held(lease: Lease) -> tuple[Grant, datetime] | None:
    """Return the leased row, locked, and the time; None where the lease, the token or the row is gone.

    Whatever is written about a renewal is written to what this returns.
    """
    found = select(Grant, clock()).where(
        Grant.id == lease.place.row_id,
        Grant.incarnation == lease.place.incarnation,
        Grant.generation == lease.place.generation,
        Grant.lease_owner == lease.owner,
    )
    row = db.session.execute(found.with_for_update(of=Grant)).one_or_none()
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


def _take(which: ColumnElement[bool]) -> Lease | None:
    owner = secrets.token_hex(16)
    taken = (
        update(Grant)
        .where(which, *_free())
        .values(lease_owner=owner, lease_node=spool.node, lease_until=clock(SECONDS))
        .returning(Grant.id, Grant.incarnation, Grant.generation)
        .execution_options(synchronize_session=False)
    )
    row = db.session.execute(taken).one_or_none()
    db.session.commit()
    return None if row is None else Lease(Place(*row), owner)


def _free() -> tuple[ColumnElement[bool], ...]:
    """What must be true of a row whose lease may be taken."""
    return (
        Grant.ended_at.is_(None),
        or_(Grant.retry_at.is_(None), Grant.retry_at <= moment()),
        or_(Grant.lease_until.is_(None), Grant.lease_until < moment()),
        or_(
            Grant.attempted_at.is_(None),
            Grant.lease_node == spool.node,
            Grant.lease_until < moment(-_patience().total_seconds()),
        ),
    )


def _patience() -> timedelta:
    return timedelta(seconds=settings.lease_takeover_after)
