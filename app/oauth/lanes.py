"""Lanes: how many threads of this process may wait for one provider at a time.

A provider that hangs holds whoever calls it for ten seconds, and whoever waits for that call for twelve.
Without lanes it would soon hold every thread, and the other providers' users with them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, local
from time import monotonic

from app.errors import ProviderBusy
from app.waiting import waiting

from .provider import Provider

PATIENCE = 2.0  # seconds without a lane: a crowd at a quick provider all gets through


class Lanes:
    """`most` is how many lanes each provider has; None: as many as come."""

    def __init__(self, most: int | None = None) -> None:
        self.most = most
        self._changed = Condition()
        self._mine = local()
        self._inside: dict[str, list[Visit]] = defaultdict(list)

    @contextmanager
    def visit(self, provider: Provider) -> Iterator[Visit]:
        """Come in; the visit tells whether it has a lane, and whether it must leave."""
        inside = self._inside[provider.name]
        visit = Visit(self, inside)
        with self._changed:
            inside.append(visit)
        try:
            yield visit
        finally:
            with self._changed:
                inside.remove(visit)
                self._changed.notify_all()

    @contextmanager
    def enter(self, provider: Provider) -> Iterator[None]:
        """Come in when there is a lane; a thread that has one keeps it. Raises ProviderBusy."""
        mine = self._mine.__dict__.setdefault("providers", set())
        if provider.name in mine:
            yield
            return
        with self.visit(provider) as visit:
            self._wait(visit, provider)
            mine.add(provider.name)
            try:
                yield
            finally:
                mine.discard(provider.name)

    def _wait(self, visit: Visit, provider: Provider) -> None:
        if visit.has_lane():
            return
        with waiting.long(), self._changed:
            while not visit.has_lane():
                if visit.must_leave():
                    raise ProviderBusy(service=provider.title)
                self._changed.wait(PATIENCE / 20)


class Visit:
    """One thread's wait for a provider. The first to come have the lanes."""

    def __init__(self, lanes: Lanes, inside: list[Visit]) -> None:
        self._lanes = lanes
        self._inside = inside
        self._began = monotonic()

    def has_lane(self) -> bool:
        most = self._lanes.most
        return most is None or self in self._inside[:most]

    def must_leave(self) -> bool:
        """Tell whether it has waited enough, or sees that those who have the lanes have."""
        return not self.has_lane() and monotonic() - self._inside[0]._began > PATIENCE
