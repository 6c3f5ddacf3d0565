"""A database that hangs must not hold every thread: then one asks at a time, and the others fail soon.

Without it, whoever comes while all threads wait in vain would wait for them first, and then in vain too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from math import inf
from threading import Lock
from time import monotonic

from . import budget
from .budget import TooLong

PATIENCE = 0.1  # seconds that the others give the one who asks
SOON = 0.3  # seconds that the one has, in all: a database that is back answers sooner
LATER = 5.0  # seconds after which the one has as long as ever: what is back may be slow


class Breaker:
    """Knows whether the last one who asked this database waited in vain."""

    def __init__(self) -> None:
        self._hangs = False
        self._turn = Lock()
        self._asked_at = self._hung_at = 0.0

    def asking(self) -> AbstractContextManager[float]:
        """Give the seconds that may be waited now. Raises TooLong; so must the block, if it got no answer."""
        return self._asking_in_turn() if self._hangs else _Asking(self, inf)

    @contextmanager
    def _asking_in_turn(self) -> Iterator[float]:
        if not self._turn.acquire(timeout=max(0.0, self._asked_at + PATIENCE - monotonic())):
            raise TooLong("it did not answer in time, and is being asked again")
        self._asked_at = monotonic()
        try:
            with _Asking(self, SOON if self._asked_at < self._hung_at + LATER else inf) as seconds:
                yield seconds
        finally:
            self._turn.release()

    def note(self, *, answered: bool) -> None:
        if not answered:
            self._hung_at = monotonic()
        self._hangs = not answered


class _Asking:
    """One asks, for so many seconds at most. A class, as it is made for each statement."""

    __slots__ = ("_breaker", "_budget", "_most")

    def __init__(self, breaker: Breaker, most: float) -> None:
        self._breaker, self._most = breaker, most

    def __enter__(self) -> float:
        self._budget = budget.current(self._most)
        return self._budget.__enter__()

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        self._budget.__exit__()
        if not isinstance(error, TooLong):
            self._breaker.note(answered=True)
        elif self._most > SOON:  # a short wait in vain tells nothing new
            self._breaker.note(answered=False)
