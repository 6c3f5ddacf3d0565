"""Removing what has ended by itself: flows, sessions, logins, failed attempts to sign in."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import CursorResult, Delete, delete

from app.extensions import db
from app.models import Flow, Login, LoginFailure, moment

from . import browser_sessions
from .passwords import WINDOW
from .pending import Stage

ENDED: tuple[Delete, ...] = (
    # An answer that nobody confirmed is no mere row: sparing.end_next_unconfirmed ends it.
    delete(Flow).where(Flow.stage != Stage.ANSWERED.value, Flow.expires_at <= moment()),
    delete(Login).where(Login.expires_at <= moment()),
    delete(LoginFailure).where(LoginFailure.at <= moment(-WINDOW.total_seconds())),
)


def clear() -> int:
    """Remove all of it; return how many rows, sessions aside."""
    browser_sessions.drop_ended()
    count = 0
    for statement in ENDED:
        count += cast("CursorResult[Any]", db.session.execute(statement)).rowcount
        db.session.commit()
    return count
