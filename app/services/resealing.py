"""One look at every sealed row: what another key than the primary has sealed is sealed anew."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    CursorResult,
    LargeBinary,
    Row,
    Update,
    bindparam,
    column,
    func,
    select,
    update,
)

from app.extensions import db, vault
from app.vault import SealBroken

from . import sealed
from .sealed import Progress, Sealed

COURTESY = 3  # for so many times as long as the lock of a whole database was held, it is left to others
Change = dict[str, Any]  # of one row: its key, its old envelope, its new one


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something that does not open. `key_id` tells what sealed it; None: it is no envelope."""

    table: str
    id: str
    user_id: int | None
    key_id: str | None

    @property
    def why(self) -> str:
        return "seal broken" if self.key_id is None or self.key_id in vault.key_ids else "key absent"


@dataclass(slots=True)
class Pass:
    """What a look came to: rows sealed anew, by table; rows in others' hands; what does not open."""

    moved: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    unreadable: list[Unreadable] = field(default_factory=list)

    @property
    def found_nothing(self) -> bool:
        return not self.moved.total() and not self.missed


def store(model: Sealed, changes: list[Change]) -> int:
    """Put new envelopes in the place of the old ones; return how many.

    Rows that somebody holds are left to the next pass, so that no two wait for each other. A row that was
    sealed meanwhile stays as it is. Its envelope alone tells: whoever changes what a seal is bound to seals
    anew, and no envelope comes twice.
    """
    key, began = sealed.key_of(model), time.monotonic()
    wanted = select(key).where(key.in_([change["row"] for change in changes]))
    free = set(db.session.scalars(wanted.with_for_update(skip_locked=True, key_share=True)))
    moved = _replace(model, [change for change in changes if change["row"] in free])
    db.session.commit()
    if db.engine.dialect.name == "sqlite":  # one lock for all, and who waits for it looks only now and then
        time.sleep(COURTESY * (time.monotonic() - began))
    return moved


def make_pass(
    batch: int, progress: Progress | None, store: Callable[[Sealed, list[Change]], int] = store
) -> Pass:
    """Go through all rows once. `store` puts the changes of one batch in place, and returns how many."""
    found = Pass()
    for model, rows in sealed.walk(batch, progress):
        changes = _changes(model, rows, found.unreadable)
        moved = store(model, changes) if changes else 0
        found.moved[model.__tablename__] += moved
        found.missed += len(changes) - moved
    return found


def unreadable(model: Sealed, row: Row[Any]) -> Unreadable:
    id = getattr(row, sealed.key_of(model).name)
    return Unreadable(model.__tablename__, str(id), row.user_id, sealed.sealer_of(row.sealed))


def _changes(model: Sealed, rows: Sequence[Row[Any]], broken: list[Unreadable]) -> list[Change]:
    """Seal anew what another key has sealed; add what does not open to `broken`."""
    is_current, reseal, name = vault.is_current, vault.reseal, sealed.key_of(model).name
    changes = []
    for row in rows:
        if is_current(row.sealed):
            continue
        try:
            new = reseal(row.sealed, *model.place(row))
        except SealBroken:
            broken.append(unreadable(model, row))
        else:
            changes.append({"row": getattr(row, name), "old": row.sealed, "new": new})
    return changes


def _replace(model: Sealed, changes: list[Change]) -> int:
    """Change the envelopes and nothing else: to its user, a row is what it was."""
    if not changes:
        return 0
    if db.engine.dialect.name == "postgresql":
        columns = {name: [change[name] for change in changes] for name in changes[0]}
        return _count(_replacement_of_many(model), columns)
    return _count(_replacement(model, bindparam("row"), bindparam("old"), bindparam("new")), changes)


def _count(statement: Update, given: Any) -> int:
    return cast("CursorResult[Any]", db.session.connection().execute(statement, given)).rowcount


def _replacement_of_many(model: Sealed) -> Update:
    """Return one statement for a whole batch, on PostgreSQL: each of its values is an array."""
    types = {"row": sealed.key_of(model).type, "old": LargeBinary(), "new": LargeBinary()}
    arrays = [bindparam(name, type_=ARRAY(type)) for name, type in types.items()]
    change = func.unnest(*arrays).table_valued(*(column(name, type) for name, type in types.items()))
    return _replacement(model, *change.render_derived("change").c)


def _replacement(
    model: Sealed, row: ColumnElement[Any], old: ColumnElement[Any], new: ColumnElement[Any]
) -> Update:
    table = sealed.table_of(model)
    kept = {column.name: column for column in table.c if column.onupdate is not None}
    same = (sealed.key_of(model) == row) & (table.c.sealed == old)
    return update(table).where(same).values({**kept, "sealed": new})
