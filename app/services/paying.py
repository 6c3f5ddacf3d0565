"""What answers owe is stored: that of several together, by one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

from app.extensions import direct, settings

from . import audit, beginning, browser_sessions, storing
from .owing import Owed


def pay(owed: Sequence[Owed]) -> None:
    """Store it. The disk is waited for where there are connections; where events are, AUDIT_SYNC says it."""
    events = [event for each in owed for event in each.events]
    added = [connection for each in owed for connection in each.connections]
    flows = [flow for each in owed for flow in each.flows]
    sessions = [session for each in owed for session in each.sessions]
    direct.write_together(
        (audit.EVENTS, [{"rows": events}] if events else []),
        (storing.ADDED, added),
        (beginning.ADDED, flows),
        # In order, or two that have the same two would wait for each other.
        (browser_sessions.SAVED, sorted(sessions, key=itemgetter("id"))),
        forced=bool(added) or (bool(events) and settings.audit_sync),
    )
