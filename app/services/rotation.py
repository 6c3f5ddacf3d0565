"""Rotation: a new key takes over what older ones have sealed, while others read and write."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import delete

from app.extensions import db, vault
from app.models import KeyCheck
from app.vault import SealBroken

from . import alarm, audit, readiness, resealing, sealed, spooled
from .readiness import StoreMismatch
from .resealing import Pass, Unreadable
from .sealed import Progress

__all__ = ["Pass", "Rotated", "Unreadable", "rehearse", "rotate", "verify"]

MOST_PASSES = 10
PAUSE = 0.5  # seconds, until those who hold a row have let go of it


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation came to. Where it is not `settled`, each pass still found rows of another key.

    `retired` are the keys that seal nothing any more, `needed` those that still do beside the primary.
    """

    moved: Counter[str]
    unreadable: Sequence[Unreadable]
    settled: bool
    retired: Sequence[str]
    needed: Sequence[str]


def rotate(*, batch: int = sealed.BATCH, progress: Progress | None = None) -> Rotated:
    """Seal everything with the primary key, pass by pass until one finds nothing to do.

    It may be killed and run again, or run twice at once: what the primary has sealed is left alone. A key
    that seals nothing any more in the database and in this node's spool loses its check value, and may be
    taken out of the ring. What does not open is left as it is. Raises StoreMismatch.
    """
    _require_a_key_that_servers_know()
    spooled.replay()
    moved: Counter[str] = Counter()
    for number in range(MOST_PASSES):
        found = resealing.make_pass(batch, None if number else progress)
        moved += found.moved
        if found.found_nothing:
            break
        time.sleep(PAUSE if found.missed else 0)
    return _finish(moved, found)


def rehearse(*, batch: int = sealed.BATCH, progress: Progress | None = None) -> Pass:
    """Return what a rotation would find, and change nothing. Raises StoreMismatch."""
    _require_a_key_that_servers_know()
    return resealing.make_pass(batch, progress, store=lambda _, changes: len(changes))


def verify(progress: Progress | None = None) -> list[Unreadable]:
    """Open every check value and every sealed row; return those that do not open."""
    found = [
        Unreadable("key_checks", check.key_id, None, sealed.sealer_of(check.sealed))
        for check in sealed.checks_of_keys()
        if not _opens(check.sealed, KeyCheck.place(check))
    ]
    for model, rows in sealed.walk(progress=progress):
        broken = [row for row in rows if not _opens(row.sealed, model.place(row))]
        found += [resealing.unreadable(model, row) for row in broken]
    return found


def _require_a_key_that_servers_know() -> None:
    """Refuse a primary key that no server has begun with: those that run could not open what it seals."""
    if vault.primary not in readiness.compare():
        raise StoreMismatch(
            f"ENCRYPTION_KEYS: no server has begun to seal with key {vault.primary}; "
            "start every server with this setting, then rotate."
        )


def _finish(moved: Counter[str], last: Pass) -> Rotated:
    """Retire the keys that seal nothing any more, and write down what was done."""
    for one in last.unreadable:
        alarm.does_not_open(one.table, one.id)
    sealers = {one.key_id for one in last.unreadable}.union(sealed.spool_sealers())
    needed = sorted(key_id for key_id in vault.key_ids & sealers if key_id != vault.primary)
    retired = _retire(needed) if last.found_nothing else []
    counts = [f"{table} {count}" for table, count in sorted(moved.items())]
    told = [*counts, f"unreadable {len(last.unreadable)}", *(f"retired {key_id}" for key_id in retired)]
    audit.record("keys.rotate", user_id=None, target=vault.primary, detail=", ".join(told))
    db.session.commit()
    return Rotated(moved, last.unreadable, last.found_nothing, retired, needed)


def _retire(needed: Collection[str]) -> list[str]:
    """Remove the check values of all other keys. Part of the transaction under way."""
    gone = delete(KeyCheck).where(KeyCheck.key_id.not_in([vault.primary, *needed]))
    return sorted(db.session.scalars(gone.returning(KeyCheck.key_id)))


def _opens(envelope: bytes, context: Sequence[str | int]) -> bool:
    try:
        vault.open(envelope, *context)
    except SealBroken:
        return False
    return True
