"""How the renewal of a grant's token stands: who is at it, how it went, when it is due next."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Boolean, String
from sqlalchemy.orm import Mapped, mapped_column

BACK_OFF = timedelta(seconds=30)
LONGEST_BACK_OFF = timedelta(days=1)
LEAST_MOVE = timedelta(minutes=1)  # of an end: less is the time that an answer took


class Renewal:
    """The columns of a lease, of an attempt, and of what came of it. Part of every grant."""

    lease_owner: Mapped[str | None] = mapped_column(String(32))  # which attempt holds the lease
    lease_node: Mapped[str | None] = mapped_column(String(32))  # and on which node, where its spool is
    lease_until: Mapped[datetime | None]
    attempted_at: Mapped[datetime | None]  # the provider may have been called under this lease
    attempts: Mapped[int] = mapped_column(default=0)  # since the token came
    failure: Mapped[str | None] = mapped_column(String(16))  # the kind of the last one, until one succeeds
    failed_at: Mapped[datetime | None]
    failing_days: Mapped[int] = mapped_column(default=0)  # an outage counts once a day, however often tried
    retry_at: Mapped[datetime | None]  # no attempt before
    due_at: Mapped[datetime | None]  # when the worker renews, or looks, by itself
    renewable: Mapped[bool] = mapped_column(Boolean, default=False)  # without the user
    ended_at: Mapped[datetime | None]  # the provider has said so: only the user can mend it
    ends_at: Mapped[datetime | None] = mapped_column(index=True)  # the grant itself, whatever is renewed
    warned_days: Mapped[int | None]  # the last warning of that end: this many days before

    def fail(self, kind: str, at: datetime, retry_after: float | None = None) -> bool:
        """Note a failure that time may mend, and when to try again: as the provider said, or in 30 s.

        Returns whether it is the first one of its day.
        """
        wait = BACK_OFF if retry_after is None else timedelta(seconds=max(1.0, retry_after))
        first = self.failed_at is None or self.failed_at.date() != at.date()
        self.failing_days += first
        self.failure, self.failed_at = kind, at
        self.retry_at = self.due_at = at + min(wait, LONGEST_BACK_OFF)
        self.release()
        return first

    def end(self, at: datetime) -> None:
        """Note that the grant has ended: nothing is due any more."""
        self.ended_at, self.due_at, self.retry_at = at, None, None
        self.release()

    def succeed(self) -> None:
        """Leave nothing of earlier attempts."""
        self.attempts = self.failing_days = 0
        self.failure = self.failed_at = self.retry_at = self.ended_at = None
        self.release()

    def end_by(self, moment: datetime | None) -> None:
        """Set the grant's own clock. One that has moved is warned of anew."""
        moved = moment is None or self.ends_at is None or abs(moment - self.ends_at) > LEAST_MOVE
        self.warned_days = None if moved else self.warned_days
        self.ends_at = moment

    def release(self) -> None:
        self.lease_owner = self.lease_node = self.lease_until = self.attempted_at = None

    def is_leased(self, at: datetime) -> bool:
        return self.lease_until is not None and at <= self.lease_until

    def backs_off(self, at: datetime) -> bool:
        return self.retry_at is not None and at < self.retry_at
