"""What each worker has to do, told to all of them."""

from __future__ import annotations

import mmap
from math import inf

STALE = 2.5  # seconds after which a worker that gives no sign of life is taken for frozen
SLOTS = 64  # workers of one gunicorn; with more of them two share a slot, and are taken for one


class Table:
    """What each worker has to do, in memory that all of them share: how much, and when it last said so."""

    def __init__(self) -> None:
        self._numbers = memoryview(mmap.mmap(-1, SLOTS * 2 * 8)).cast("d")

    def tell(self, slot: int, load: float) -> None:
        self._numbers[2 * slot] = load

    def live(self, slot: int, now: float) -> None:
        """Say when this was: by the clock that all processes share, or 0 for a worker that takes no more."""
        self._numbers[2 * slot + 1] = now

    def least(self, slot: int, now: float) -> float:
        """Return the least load that another one has; infinity where there is no other."""
        numbers = self._numbers.tolist()
        others = zip(range(SLOTS), numbers[::2], numbers[1::2], strict=True)
        return min((load for at, load, told in others if at != slot and told > now - STALE), default=inf)
