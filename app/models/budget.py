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


class _Budget:
    def __init__(self, seconds: float) -> None:
        self.left = seconds


_budget: ContextVar[_Budget | None] = ContextVar("budget", default=None)


@contextmanager
def of(seconds: float) -> Iterator[None]:
    """Let all database work of this thread inside wait for so many seconds together."""
    outer = _budget.set(_Budget(seconds))
    try:
        yield
    finally:
        _budget.reset(outer)


@contextmanager
def spending(most: float = inf) -> Iterator[float]:
    """Give the seconds that may be waited now, and take from the budget what was. Raises TooLong at once.

    `most` is all that is left of the budget from now on.
    """
    budget = _budget.get() or _Budget(ALONE)
    budget.left = min(budget.left, most)
    if budget.left <= 0:
        raise TooLong("this request has waited for it long enough")
    begun = monotonic()
    try:
        yield budget.left
    finally:
        budget.left -= monotonic() - begun
