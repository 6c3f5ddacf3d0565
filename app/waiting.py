"""What a thread calls before it waits long, or computes what needs no interpreter.

A server whose threads take turns lets another one serve meanwhile: gunicorn.conf.py says how. Elsewhere
nothing is done.
"""

from collections.abc import Callable


class Waiting:
    """Knows who is to be told."""

    def __init__(self) -> None:
        self._tell: Callable[[], None] | None = None

    def is_told_to(self, tell: Callable[[], None]) -> None:
        self._tell = tell

    def begins(self) -> None:
        if self._tell is not None:
            self._tell()


waiting = Waiting()
