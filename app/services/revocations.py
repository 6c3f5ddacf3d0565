"""The queue of what must be ended at its provider, filled with the change that makes it so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from app.extensions import db, reading, vault
from app.models import Grant, Revocation, Tokens, clock
from app.oauth.provider import Provider
from app.oauth.provider import Revocation as Way
from app.oauth.revocation import Outcome
from app.providers import provider_named
from app.vault import SealBroken

from . import alarm
from .keeping import Fresh

FIRST_RETRY = 30  # seconds, and the time that whoever queues has to end it themselves
GIVEN_UP_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A token that is to be ended, as its owner sees it. `account_id` is "" where it could not be told."""

    provider: str
    account_id: str
    queued_at: datetime
    attempts: int
    retry_at: datetime | None
    given_up_at: datetime


def queue_grant(grant: Grant) -> Outcome | int:
    """Take a live grant away and queue its end. Part of the transaction under way.

    Returns the id of the queued row, or the outcome where nothing can be asked of the provider.
    """
    db.session.delete(grant)
    db.session.flush()  # before another grant takes its place
    try:
        tokens = grant.open(vault)
    except SealBroken:
        alarm.does_not_open("grants", grant.id)
        return Outcome.UNSUPPORTED
    return queue(
        provider_named(grant.provider),
        user_id=grant.user_id,
        account_id=grant.account_id,
        tokens=tokens,
        expires_at=grant.expires_at,
    )


def queue(
    provider: Provider, *, user_id: int, account_id: str, tokens: Tokens, expires_at: datetime | None
) -> Outcome | int:
    """Queue the end of tokens that no live row holds any more. Part of the transaction under way.

    An `account_id` of "" is an account that could not be told.
    """
    if provider.revocation is Way.NONE:
        return Outcome.UNSUPPORTED
    row = Revocation(
        user_id=user_id,
        provider=provider.name,
        account_id=account_id,
        sealed=b"",
        expires_at=expires_at,
        retry_at=clock(FIRST_RETRY),  # the one who queued it comes first
    )
    db.session.add(row)
    db.session.flush()
    row.seal(vault, tokens)
    return row.id


def queue_fresh(fresh: Fresh) -> Outcome | int:
    """Queue the end of tokens that came too late for any row. Part of the transaction under way."""
    return queue(
        provider_named(fresh.provider),
        user_id=fresh.user_id,
        account_id=fresh.account_id,
        tokens=fresh.tokens,
        expires_at=fresh.expires_at,
    )


def waiting_of(user_id: int) -> list[Waiting]:
    """Return what is queued of a user's, oldest first."""
    reading()
    mine = select(Revocation).where(Revocation.user_id == user_id).order_by(Revocation.id)
    return [
        Waiting(
            provider=row.provider,
            account_id=row.account_id,
            queued_at=row.created_at,
            attempts=row.attempts,
            retry_at=row.retry_at,
            given_up_at=row.created_at + GIVEN_UP_AFTER,
        )
        for row in db.session.scalars(mine)
    ]
