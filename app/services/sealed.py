"""Where sealed things are: tables that are walked in the order of their keys, and this node's spool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from sqlalchemy import Column, Row, Select, Table, func, select

from app.extensions import db, reading, spool
from app.models import Connection, Flow, Grant, KeyCheck, Revocation
from app.vault import SealBroken, key_id_of

Sealed = type[Connection] | type[Grant] | type[Flow] | type[Revocation]
Progress = Callable[[int], None]  # told how many rows more are done with

SEALED: tuple[Sealed, ...] = (Connection, Grant, Flow, Revocation)
BATCH = 500  # rows, each of which may be as large as a request


def walk(size: int = BATCH, progress: Progress | None = None) -> Iterator[tuple[Sealed, Sequence[Row[Any]]]]:
    """Yield every sealed row with its table, so many at a time.

    They are plain rows of `sealed` and the columns that the seal is bound to, read each time in a transaction
    of its own, which has ended when they are yielded.
    """
    for model in SEALED:
        for rows in _batches(model, size):
            yield model, rows
            if progress is not None:
                progress(len(rows))


def count() -> int:
    """Return how many rows there are to walk, more or less: flows without a secret are counted too."""
    reading()
    counts = [db.session.scalar(select(func.count()).select_from(model)) or 0 for model in SEALED]
    db.session.rollback()
    return sum(counts)


def table_of(model: Sealed) -> Table:
    return cast(Table, model.__table__)


def key_of(model: Sealed) -> Column[Any]:
    """Return the one column of the table's primary key."""
    [key] = table_of(model).primary_key
    return key


def checks_of_keys() -> Sequence[KeyCheck]:
    """Return the check values by key, detached."""
    reading()
    checks = db.session.scalars(select(KeyCheck).order_by(KeyCheck.key_id)).all()
    for check in checks:
        db.session.expunge(check)
    db.session.rollback()
    return checks


def spool_sealers() -> Counter[str | None]:
    """Count the answers in this node's spool by the key that sealed them."""
    read = (entry.read() for entry in spool.entries())
    return Counter(sealer_of(envelope) for envelope in read if envelope is not None)


def sealer_of(envelope: bytes) -> str | None:
    """Return the id of the key that sealed this, or None where it is no envelope."""
    try:
        return key_id_of(envelope)
    except SealBroken:
        return None


def _batches(model: Sealed, size: int) -> Iterator[Sequence[Row[Any]]]:
    table, key = table_of(model), key_of(model)
    bound_to = [table.c[name] for name in model.BOUND_TO]
    wanted = select(table.c.sealed, *bound_to).where(table.c.sealed.is_not(None)).order_by(key).limit(size)
    rows = _read(wanted)
    while rows:
        yield rows
        rows = _read(wanted.where(key > rows[-1]._mapping[key]))


def _read(wanted: Select[Any]) -> Sequence[Row[Any]]:
    reading()
    rows = db.session.execute(wanted).all()
    db.session.rollback()
    return rows
