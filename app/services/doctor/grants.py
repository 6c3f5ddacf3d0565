"""Grants: renewals that are stuck, grants that end soon, and what is to be ended and is not yet."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, Select, func, select

from app.extensions import db, reading, settings
from app.models import Grant, Revocation, User, moment
from app.services.health import WARN_DAYS

from .finding import Finding, ok, problem, warning

A_DAY = 86400  # seconds
LATE = 900  # seconds that a renewal may be due: the worker looks every few
SHOWN = 5  # grants by name
OLD = 3600  # seconds that a revocation may wait without a word


def examine() -> Iterator[Finding]:
    reading()
    found = [*_troubles()]
    yield from found or [ok("grants", "None is stuck, refused, late, or about to end.")]


def _troubles() -> Iterator[Finding]:
    stuck = Grant.lease_until < moment(-settings.lease_takeover_after)
    if those := _grants(Grant.attempted_at.is_not(None), stuck):
        yield problem(
            "grants",
            f"Renewals that were broken off and not taken up again: {those}.",
            "Run a worker on each node.",
        )
    if those := _grants(Grant.due_at < moment(-LATE), Grant.ended_at.is_(None)):
        yield problem("grants", f"Renewals that are overdue: {those}.", "Run: flask --app wsgi worker.")
    if those := _grants(Grant.failure.is_not(None), Grant.ended_at.is_(None)):
        yield warning(
            "grants", f"Grants whose last renewal failed: {those}.", "See what the providers' findings say."
        )
    if those := _grants(Grant.ended_at.is_not(None)):
        yield warning("grants", f"Grants that have ended: {those}.", "Only their users can connect again.")
    if those := _grants(Grant.ends_at <= moment(WARN_DAYS[0] * A_DAY), Grant.ended_at.is_(None)):
        yield warning(
            "grants",
            f"Grants that end within {WARN_DAYS[0]} days: {those}.",
            "Ask their users to connect again.",
        )
    if count := _count(select(func.count()).where(Revocation.created_at < moment(-OLD))):
        yield warning(
            "revocations",
            f"Tokens that wait to be ended at their provider: {count}.",
            "They are tried for a day; run a worker.",
        )


def _grants(*conditions: ColumnElement[bool]) -> str:
    """Return how many there are and whose the first ones are; "" where there is none."""
    count = _count(select(func.count()).select_from(Grant).where(*conditions))
    first = select(User.username, Grant.provider).join(User, User.id == Grant.user_id).where(*conditions)
    found = db.session.execute(first.order_by(Grant.id).limit(SHOWN))
    whose = [f"{provider} of {username}" for username, provider in found]
    return f"{count} ({', '.join(whose)}{', …' if count > SHOWN else ''})" if count else ""


def _count(wanted: Select[int]) -> int:
    return db.session.scalar(wanted) or 0
