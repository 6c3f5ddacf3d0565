"""What an operator must hear of at once: a row whose seal does not open."""

from __future__ import annotations

import logging

from app import counters

log = logging.getLogger(__name__)


def does_not_open(table: str, row_id: int | str) -> None:
    """Say so, and count it: the row was altered, moved, or sealed with a key that is not here."""
    log.error("row %s of %s does not open", row_id, table)
    counters.unreadable.labels(table).inc()
