"""Sliding windows, counted in this process as `limits` counts them, without the thread that it needs for it.

Of the window before, that part counts which a window of full length that ends now would still see.
"""

from __future__ import annotations

import time
from math import floor, inf
from threading import Lock


class Window:
    """So many hits of each caller within so many seconds. What is older than two windows is forgotten."""

    def __init__(self, amount: int, seconds: int) -> None:
        self._amount, self._seconds = amount, seconds
        self._number = 0  # of the window that is counted in
        self._counts: dict[str, int] = {}
        self._before: dict[str, int] = {}
        self._counting = Lock()

    def hit(self, who: str) -> float | None:
        """Count one hit; return None where it may pass, or after how many seconds to try again."""
        now = time.time()
        with self._counting:
            self._turn_to(int(now / self._seconds))
            count, before = self._counts.get(who, 0), self._before.get(who, 0)
            seen = before * self._left(now - self._seconds) / self._seconds + count
            if floor(seen) + 1 <= self._amount:
                self._counts[who] = count + 1
                return None
        return self._wait(now, count, before)

    def _turn_to(self, number: int) -> None:
        if number != self._number:
            self._before = self._counts if number == self._number + 1 else {}
            self._counts, self._number = {}, number

    def _left(self, moment: float) -> float:
        """Return how many seconds the window of this moment still had then."""
        return (1 - moment / self._seconds % 1) * self._seconds

    def _wait(self, now: float, count: int, before: int) -> float:
        """Return when the next of the hits before leaves the sight, or these hits become those before."""
        leaves = self._left(now - self._seconds) % (self._seconds / before) if before else inf
        turns = self._left(now) % self._seconds if count else inf
        return min(leaves, turns)
