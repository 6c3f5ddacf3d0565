"""Grants: renewals that are stuck, grants that end soon, and what is to be ended and is not yet."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, Select, func, select

from app.extensions import db, reading, settings
from app.models import Grant, Revocation, clock
from app.services.health import WARN_DAYS

from .finding import Finding, ok, problem, warning

A_DAY = 86400  # seconds
LATE = 900  # seconds that a renewal may be due: the worker looks every few
OLD = 3600  # seconds that a revocation may wait without a word


def examine() -> Iterator[Finding]:
    reading()
    found = [*_troubles()]
    yield from found or [ok("grants", "None is stuck, refused, late, or about to end.")]


def _troubles() -> Iterator[Finding]:
    stuck = Grant.lease_until < clock(-settings.lease_takeover_after)
    if count := _grants(Grant.attempted_at.is_not(None), stuck):
        yield problem(
            "grants",
            f"Renewals that were broken off and not taken up again: {count}.",
            "Run a worker on each node.",
        )
    if count := _grants(Grant.due_at < clock(-LATE), Grant.ended_at.is_(None)):
        yield problem("grants", f"Renewals that are overdue: {count}.", "Run: flask --app wsgi worker.")
    if count := _grants(Grant.failure.is_not(None), Grant.ended_at.is_(None)):
        yield warning(
            "grants", f"Grants whose last renewal failed: {count}.", "See what the providers' findings say."
        )
    if count := _grants(Grant.ended_at.is_not(None)):
        yield warning("grants", f"Grants that have ended: {count}.", "Only their users can connect again.")
    if count := _grants(Grant.ends_at <= clock(WARN_DAYS[0] * A_DAY), Grant.ended_at.is_(None)):
        yield warning(
            "grants",
            f"Grants that end within {WARN_DAYS[0]} days: {count}.",
            "Ask their users to connect again.",
        )
    if count := _count(select(func.count()).where(Revocation.created_at < clock(-OLD))):
        yield warning(
            "revocations",
            f"Tokens that wait to be ended at their provider: {count}.",
            "They are tried for a day; run a worker.",
        )


def _grants(*conditions: ColumnElement[bool]) -> int:
    return _count(select(func.count()).select_from(Grant).where(*conditions))


def _count(wanted: Select[int]) -> int:
    return db.session.scalar(wanted) or 0
