"""Telling owners that a grant ends: 30, 7 and 1 days before, once each."""

from __future__ import annotations

import logging

from sqlalchemy import or_, select

from app.extensions import db
from app.models import Grant, moment

from . import audit
from .health import WARN_DAYS

A_DAY = 86400  # seconds

log = logging.getLogger(__name__)


def warn_next() -> bool:
    """Warn of one grant that is due for it, the nearest end first; tell whether there was one."""
    return any(_warn(days) for days in sorted(WARN_DAYS))


def _warn(days: int) -> bool:
    """Warn of one grant that ends within so many days, and of which no nearer warning was given."""
    due = select(Grant).where(
        Grant.ends_at <= moment(days * A_DAY),
        Grant.ended_at.is_(None),
        or_(Grant.warned_days.is_(None), Grant.warned_days > days),
    )
    grant = db.session.scalar(due.order_by(Grant.ends_at).limit(1).with_for_update(skip_locked=True))
    if grant is None or grant.ends_at is None:
        db.session.rollback()
        return False
    grant.warned_days = days
    told = f"ends on {grant.ends_at:%Y-%m-%d}, within {days} day{'s' * (days > 1)}"
    audit.record("grant.expiring", user_id=grant.user_id, target=grant.provider, detail=told)
    log.warning("grant %s of user %s at %s %s", grant.id, grant.user_id, grant.provider, told)
    db.session.commit()
    return True
