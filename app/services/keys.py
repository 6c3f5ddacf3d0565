"""The keys that seal what is stored: which there are, and what each has sealed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from app.extensions import vault

from . import sealed


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the ring, or one that has sealed something. An `id` of None stands for what is no envelope.

    `rows` counts what it has sealed in each table, `spool_files` the answers on this node's disk.
    """

    id: str | None
    primary: bool
    in_ring: bool
    has_check: bool
    rows: Mapping[str, int]
    spool_files: int


def every() -> list[Key]:
    """Return every key of the ring and every other one that has sealed something, the primary first."""
    checks = {check.key_id for check in sealed.checks_of_keys()}
    rows: dict[str, Counter[str | None]] = {model.__tablename__: Counter() for model in sealed.SEALED}
    for model, found in sealed.walk():
        rows[model.__tablename__].update(sealed.sealer_of(row.sealed) for row in found)
    files = sealed.spool_sealers()
    known = vault.key_ids.union(checks, files, *rows.values())
    return [
        Key(
            id=key_id,
            primary=key_id == vault.primary,
            in_ring=key_id in vault.key_ids,
            has_check=key_id in checks,
            rows={table: counts[key_id] for table, counts in rows.items()},
            spool_files=files[key_id],
        )
        for key_id in sorted(known, key=lambda id: (id != vault.primary, id not in vault.key_ids, id or ""))
    ]
