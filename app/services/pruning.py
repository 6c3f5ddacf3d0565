"""Removing old events of the audit, as the role of the migrations: the service's own may only add to it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import create_engine, delete, func, select
from sqlalchemy.orm import Session

from app.extensions import db, settings
from app.models import AuditEvent, clock, engines

from . import audit
from .sealed import Progress

BATCH = 1000  # events in one transaction
A_DAY = 86400  # seconds


def prune(*, days: int, dry_run: bool = False, progress: Progress | None = None) -> int:
    """Remove events older than so many days, and write that down; return how many.

    `progress` is told how many more have gone.
    """
    url = settings.migration_database_url
    engine = create_engine(url, **engines.options(url))
    engines.listen(engine)
    try:
        with Session(engine) as session:
            end = session.scalars(select(clock(-days * A_DAY))).one()
            count = _count(session, end) if dry_run else _remove(session, end, progress)
    finally:
        engine.dispose()
    if count and not dry_run:
        audit.record("audit.prune", user_id=None, detail=f"{count} events before {end:%Y-%m-%d}")
        db.session.commit()
    return count


def _count(session: Session, end: datetime) -> int:
    return session.scalars(select(func.count()).where(AuditEvent.at < end)).one()


def _remove(session: Session, end: datetime, progress: Progress | None) -> int:
    count = 0
    old = select(AuditEvent.id).where(AuditEvent.at < end).order_by(AuditEvent.id).limit(BATCH)
    while ids := session.scalars(old).all():
        session.execute(delete(AuditEvent).where(AuditEvent.id.in_(ids)))
        session.commit()
        count += len(ids)
        if progress is not None:
            progress(len(ids))
    return count
