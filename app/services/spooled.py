"""Answers in the spool: stored when their generation still stands, spare when it does not."""

from __future__ import annotations

import json
import logging
from time import time

from sqlalchemy import Select, bindparam, select, update

from app import counters
from app.extensions import db, direct, spool, vault
from app.models import Grant
from app.oauth.outbound import Deadline
from app.spool import Entry, Place, Slot
from app.vault import SealBroken

from . import audit, ending, keeping, leases, revocations
from .keeping import KEPT, LOOKED_AT, Fresh
from .leases import Lease

UNDECIDED = 60.0  # seconds are more than a callback has for storing what its code has brought
STRANDED = 1.0  # seconds from disk to database are enough for a process that lives

log = logging.getLogger(__name__)

_COLUMNS = Grant.__table__.c
_AS_SEEN = [
    _COLUMNS[name].is_not_distinct_from(bindparam(f"seen_{name}", type_=_COLUMNS[name].type))
    for name in LOOKED_AT
]
_STORE = audit.told_of(
    update(Grant)
    .where(leases.HELD, *_AS_SEEN)
    .values({name: bindparam(f"kept_{name}", type_=_COLUMNS[name].type) for name in KEPT}),
    _COLUMNS.id,
)


def put(slot: Slot, place: Place, fresh: Fresh) -> Entry | None:
    """Keep an answer on disk before the database has it; None where the disk refuses after all."""
    try:
        return slot.fill(place, _sealed(place, fresh))
    except OSError as error:
        log.critical("SPOOL_DIR: an answer could not be kept (%s)", type(error).__name__)
        return None


def store(grant: Grant, fresh: Fresh) -> None:
    """Make an answer the tokens of this row, which is locked. Part of the transaction under way."""
    action = _told_of(grant)
    keeping.keep(grant, fresh, consented=False)
    audit.record(action, user_id=grant.user_id, target=grant.provider)


def store_unmoved(lease: Lease, seen: Grant, fresh: Fresh) -> bool:
    """Do the same, and commit it, if the row is held and as it was seen; tell whether it was.

    `seen` is part of no session, and is then what the row is.
    """
    action, before = _told_of(seen), {f"seen_{name}": getattr(seen, name) for name in LOOKED_AT}
    keeping.keep(seen, fresh, consented=False)
    after = {f"kept_{name}": getattr(seen, name) for name in KEPT}
    event = audit.values(action, user_id=seen.user_id, target=seen.provider, detail="")
    return bool(direct.run(_STORE, **event, **lease.names(), **before, **after))


def _told_of(grant: Grant) -> str:
    return "grant.refresh" if grant.ended_at is None else "grant.restore"


def settle(place: Place, fresh: Fresh, deadline: Deadline) -> bool:
    """Store an answer whose generation still stands, and tell whether it did.

    Otherwise the row is gone or holds other tokens: then the answer's are spare, unless they are the very
    ones that the row holds, since another process of this node has stored them from the spool.
    """
    grant = db.session.scalar(_row_of(place, fresh).with_for_update())
    if grant is not None and place.row_id and grant.generation == place.generation:
        store(grant, fresh)
        db.session.commit()
        counters.refreshes.labels(fresh.provider, counters.RENEWED).inc()
        return True
    if grant is not None and _holds(grant, fresh):
        db.session.rollback()
        return False
    audit.record("grant.spare", user_id=fresh.user_id, target=f"{fresh.provider}:{fresh.account_id}")
    queued = revocations.queue_fresh(fresh)
    db.session.commit()
    ending.run([queued], deadline)
    return False


def recover(incarnation: str) -> bool:
    """Deal with what this node's spool holds for one row, and tell whether it has new tokens from it.

    An answer to a token before this one is dealt with too, while it can still be told what became of it.
    No provider is waited for: what is spare is queued.
    """
    return sum(_settle(entry, Deadline(0)) for entry in spool.entries(incarnation)) > 0


def recover_stranded(grant: Grant) -> None:
    """Do the same for a row whose lease is held, if its holder has had time to store the answer itself."""
    if any(entry.written_at() < time() - STRANDED for entry in spool.entries(grant.incarnation)):
        recover(grant.incarnation)


def catch_up(user_id: int) -> None:
    """Store what waits for a user's rows, so that what is about to end is all that there is to end."""
    rows = db.session.scalars(select(Grant.incarnation).where(Grant.user_id == user_id)).all()
    db.session.rollback()
    for incarnation in rows:
        recover(incarnation)


def replay() -> int:
    """Deal with everything in this node's spool; return how many answers were stored.

    Leases are not asked: an answer belongs to its generation, whoever is at work on it.
    """
    stored = sum(_settle(entry, Deadline()) for entry in spool.entries())
    spool.sweep()
    return stored


def _row_of(place: Place, fresh: Fresh) -> Select[Grant]:
    """Return the row that an answer belongs to, or the one that a code's tokens would be in."""
    if place.row_id:
        return select(Grant).where(Grant.id == place.row_id, Grant.incarnation == place.incarnation)
    return select(Grant).where(Grant.user_id == fresh.user_id, Grant.provider == fresh.provider)


def _settle(entry: Entry, deadline: Deadline) -> bool:
    if not entry.place.row_id and entry.written_at() > time() - UNDECIDED:
        return False
    sealed = entry.read()
    if sealed is None:
        return False
    try:
        fresh = Fresh.from_document(json.loads(vault.open(sealed, *entry.place.context())))
    except SealBroken:  # it stays: its key may come back
        log.error("SPOOL_DIR: an answer for grant %s does not open", entry.place.row_id)
        counters.unreadable.labels("spool").inc()
        return False
    stored = settle(entry.place, fresh, deadline)
    entry.drop()
    return stored


def _sealed(place: Place, fresh: Fresh) -> bytes:
    return vault.seal(json.dumps(fresh.to_document()).encode("utf-8"), *place.context())


def _holds(grant: Grant, fresh: Fresh) -> bool:
    try:
        return grant.open(vault).access_token == fresh.access_token
    except SealBroken:
        return False
