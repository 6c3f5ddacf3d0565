"""What must be done without being asked: the chores of the worker, each in pieces that may be done anywhere.

Several workers on several machines share the work: each piece is a row that is claimed with one statement
(SKIP LOCKED on PostgreSQL, a conditional update under SQLite's write lock).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import BoundedSemaphore
from time import monotonic

from app.oauth.answers import Kind
from app.oauth.outbound import Deadline
from app.oauth.provider import Provider
from app.providers import PROVIDERS

from . import clearing, ending, leases, refreshing, sparing, spooled, warning

# Renewals at a time at one provider; each provider has its own, so that none waits for another. One that
# answers in 50 ms could be asked 320 times a second: 10,000 tokens that end together are renewed in a minute.
LANES = 16
OUTAGES_IN_A_ROW = 3  # then a provider is left alone for
REST = 30.0  # seconds
QUIET = 1.0  # seconds after a look in vain, in which no other lane looks


@dataclass(frozen=True, slots=True)
class Chore:
    """`run` does what it can claim at once and returns how much that was; 0 ends the pass.

    A pass is made every `seconds`, in so many `lanes` at a time.
    """

    name: str
    seconds: float
    run: Callable[[], int]
    lanes: int = 1


def chores() -> tuple[Chore, ...]:
    """Return everything that a worker does, by its name in the report."""
    renewals = tuple(Chore(f"{one.name} renewals", 5, _Renewals(one), LANES) for one in PROVIDERS)
    return (
        Chore("answers from the spool", 30, spooled.replay),
        *renewals,
        Chore("revocations", 5, ending.retry_next),
        Chore("unconfirmed answers", 30, sparing.end_next_unconfirmed),
        Chore("rows cleared", 300, clearing.clear),
        Chore("warnings", 600, warning.warn_next),
    )


class _Renewals:
    """Renews what is due at one provider, the longest due first. All lanes share one.

    A provider is asked by few at a time until it has answered, and what is due is looked for by one lane for
    all where nothing was due a moment ago.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._answers = False
        self._few = BoundedSemaphore(OUTAGES_IN_A_ROW)
        self._outages = 0
        self._rests_until = 0.0

    def __call__(self) -> int:
        if self._answers:
            return self._renew()
        with self._few:
            return self._renew()

    def _renew(self) -> int:
        if monotonic() < self._rests_until:
            return 0
        lease = leases.take_due(self._provider)
        if lease is None:
            self._rests_until = monotonic() + QUIET
            return 0
        kind = refreshing.renew(lease, Deadline(refreshing.LONGEST))
        self._answers = kind is not Kind.OUTAGE
        self._outages = 0 if self._answers else self._outages + 1
        if self._outages >= OUTAGES_IN_A_ROW:
            self._outages, self._rests_until = 0, monotonic() + REST
        return 1
