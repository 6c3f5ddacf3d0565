"""What was worked out and stays true until a known moment: bounded, and safe for threads."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock
from time import time
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Memory(Generic[Key, Value]):
    """Keeps at most so many values, each until its end. Where there are more, the oldest make room."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[Key, tuple[float, Value]] = {}
        self._changing = Lock()

    def get(self, key: Key) -> Value | None:
        """Return what is kept under this key; None where there is nothing, or its end has come."""
        found = self._kept.get(key)
        return None if found is None or found[0] <= time() else found[1]

    def several(self, keys: Iterable[Key]) -> list[Value | None]:
        """Return the same for several keys, in their order."""
        now, find = time(), self._kept.get
        return [found[1] if (found := find(key)) is not None and found[0] > now else None for key in keys]

    def keep(self, key: Key, value: Value, *, until: float) -> None:
        """Keep a value until a moment, in seconds since 1970."""
        with self._changing:
            self._kept.pop(key, None)
            while len(self._kept) >= self._most:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = (until, value)

    def __len__(self) -> int:
        return len(self._kept)
