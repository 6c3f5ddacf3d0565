"""What an answer owes before it begins, where somebody keeps it back until that is paid (paying.py)."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

Values = dict[str, Any]  # of one row


@dataclass(slots=True)
class Owed:
    """Rows that are not stored yet: events of disclosures, connections, flows that begin, sessions."""

    events: list[Values] = field(default_factory=list)
    connections: list[Values] = field(default_factory=list)
    flows: list[Values] = field(default_factory=list)
    sessions: list[Values] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.events or self.connections or self.flows or self.sessions)


class Owing:
    """A block in which what is owed is given to its caller, and is not stored by itself."""

    def __enter__(self) -> Owed:
        owed = Owed()
        self._before = _owed.set(owed)
        return owed

    def __exit__(self, *_: object) -> None:
        _owed.reset(self._before)


_owed: ContextVar[Owed | None] = ContextVar("what is not stored yet", default=None)


def kept_back() -> Owed | None:
    """Return where to write down what is owed; None: store it at once."""
    return _owed.get()
