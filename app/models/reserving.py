"""Ids of connections that are stored later, on SQLite: several are had at once, since that takes its lock."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

from sqlalchemy import update

from .connection import HIGHEST, Connection, highest_id
from .direct import Direct, Statement

MANY = 32
KEPT = 0.05  # seconds: who has an id that is much higher was added later, whoever added them

_RESERVE = Statement(
    update(HIGHEST)
    .where(HIGHEST.c.name == Connection.__tablename__)
    .values(seq=highest_id() + MANY)
    .returning(HIGHEST.c.seq)
)


class Ids:
    """Gives ids that no other row has or gets, in this process or another."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct
        self._left: Iterator[int] = iter(())
        self._until = 0.0

    def take(self) -> int | None:
        """Return the next one. Before the first connection none can be had."""
        id = next(self._left, None) if monotonic() < self._until else None
        return self._reserved() if id is None else id

    def leave(self) -> None:
        """Give those that are left to nobody: another connection gets a higher one."""
        self._left = iter(())

    def _reserved(self) -> int | None:
        found = self._direct.write(_RESERVE, forced=False)
        if not found:
            return None
        last: int = found[0][0]
        self._left, self._until = iter(range(last - MANY + 2, last + 1)), monotonic() + KEPT
        return last - MANY + 1
