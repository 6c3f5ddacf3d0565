"""Who of some threads has what only one can have, and how it is handed on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from threading import Lock, get_ident


class Baton:
    """What one of some threads has. Whoever wants it waits in order, or the last one to come is the first."""

    def __init__(self, *, last_first: bool = False) -> None:
        self._mutex = Lock()
        self._holder: int | None = None
        self._waiting = deque[tuple[int, Lock]]()
        self._next = self._waiting.pop if last_first else self._waiting.popleft
        self._since = 0.0

    @property
    def is_wanted(self) -> bool:
        return bool(self._waiting)

    @property
    def is_free(self) -> bool:
        return self._holder is None

    def is_mine(self) -> bool:
        return self.is_of(get_ident())

    def is_of(self, thread: int) -> bool:
        return self._holder == thread

    def take(self) -> None:
        """Return when this thread has it."""
        me, turn = get_ident(), Lock()
        with self._mutex:
            if self._holder is None:
                self._hand_to(me)
                return
            turn.acquire()
            self._waiting.append((me, turn))
        turn.acquire()

    def pass_on(self, thread: int) -> bool:
        """Let the next one have it, if this thread has it; tell whether it had."""
        with self._mutex:
            if self._holder != thread:
                return False
            self._holder = None
            if self._waiting:
                following, turn = self._next()
                self._hand_to(following)
                turn.release()
            return True

    def begin(self) -> None:
        """Count anew for how long it has been with one thread."""
        self._since = time.monotonic()

    def held_for(self, seconds: float) -> int | None:
        """Return which thread has had it for so long."""
        return self._holder if time.monotonic() > self._since + seconds else None

    def _hand_to(self, thread: int) -> None:
        self._holder = thread
        self.begin()


class Outside:
    """A block in which a thread waits, without its turn if it gives that up."""

    __slots__ = ("_gave_way", "_give_way", "_turn")

    def __init__(self, turn: Baton, give_way: Callable[[], bool]) -> None:
        self._turn, self._give_way = turn, give_way

    def __enter__(self) -> None:
        self._gave_way = self._give_way()

    def __exit__(self, *_: object) -> None:
        if self._gave_way:
            self._turn.take()
