"""How long a database is waited for: a request has some seconds in all, other work some for each piece."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from time import monotonic

from sqlalchemy.exc import TimeoutError as PoolTimeout

REQUEST = 4.0  # seconds, for all that one request asks of its database
ALONE = 6.0  # seconds for one piece of other work: a little more than PostgreSQL gives a statement


class TooLong(PoolTimeout):
    """The database was waited for as long as may be. `str()` is a reason that an operator can read."""


class Budget:
    """Seconds that may still be waited. They run while its block does."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds
        self._began = 0.0

    def __enter__(self) -> float:
        """Give the seconds that are left. Raises TooLong where there are none."""
        if self.left <= 0:
            raise TooLong("this request has waited for it long enough")
        self._began = monotonic()
        return self.left

    def __exit__(self, *_: object) -> None:
        self.left -= monotonic() - self._began


_budget: ContextVar[Budget | None] = ContextVar("budget", default=None)


@contextmanager
def of(seconds: float) -> Iterator[Budget]:
    """Let all database work of this thread inside wait for so many seconds together; give what is left."""
    budget = Budget(seconds)
    outer = _budget.set(budget)
    try:
        yield budget
    finally:
        _budget.reset(outer)


def current(most: float = inf) -> Budget:
    """Return what the work under way has left, and no more than `most` from now on."""
    budget = _budget.get() or Budget(ALONE)
    budget.left = min(budget.left, most)
    return budget
