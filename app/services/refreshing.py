"""Renewing a leased grant's token: one call to the provider, and an answer that is not lost.

The order is the protocol. The attempt is recorded before the provider is called, so that whoever finds this
lease stale knows that the token may be spent. The answer reaches the disk before the database. Every write
asks whether the lease, the generation and the row are still those that were leased.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from app import counters
from app.extensions import db, registrations, spool, vault
from app.models import Grant, Reading, Tokens, clock
from app.oauth import exchange
from app.oauth.answers import Failure, Kind, ProviderFailure, TokenAnswer, granted_scopes
from app.oauth.client import Client
from app.oauth.outbound import Deadline
from app.oauth.registration import Registration
from app.spool import Slot
from app.vault import SealBroken

from . import alarm, audit, keeping, leases, spooled
from .keeping import Fresh
from .leases import Lease

LONGEST = leases.SECONDS / 2  # for the provider; the rest of the lease is for storing its answer
UNREADABLE_FOR = timedelta(hours=1)  # before the worker looks at a row again that does not open

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What is known of a grant while its provider is called and no transaction is open."""

    lease: Lease
    registration: Registration
    grant: Grant
    before: Fresh
    clock: Reading


def renew(lease: Lease, deadline: Deadline) -> Kind | None:
    """Renew the token under this lease, or note in its row why not; return what kind of failure it was."""
    if spooled.recover(lease.place.incarnation):
        return None
    try:
        slot = spool.reserve()
    except OSError as error:
        log.critical("SPOOL_DIR: nothing can be kept there (%s)", type(error).__name__)
        return _note(lease, ProviderFailure(Failure.NOT_READY))
    with slot:
        return _renew(lease, slot, deadline.at_most(LONGEST))


def _renew(lease: Lease, slot: Slot, deadline: Deadline) -> Kind | None:
    try:
        attempt = _begin(lease)
    except SQLAlchemyError:
        leases.give_back(lease)
        raise
    if attempt is None:
        return None
    try:
        answer = _ask(attempt, deadline)
    except ProviderFailure as failure:
        return _note(lease, failure)
    _store(attempt, answer, slot, deadline)
    return None


def _begin(lease: Lease) -> _Attempt | None:
    """Record the attempt, and read the row again under its lease; None where there is none to make."""
    found = leases.attempt(lease)
    if found is None:
        return None
    attempt = _attempt(lease, *found)
    if attempt is None:
        _take_back(lease)
    return attempt


def _attempt(lease: Lease, grant: Grant, at: datetime) -> _Attempt | None:
    registration, tokens = registrations[grant.provider], _opened(grant)
    if registration is None or tokens is None or not _can_renew(registration, grant, tokens, at):
        return None
    return _Attempt(lease, registration, grant, _as_it_is(grant, tokens, at), Reading(at))


def _opened(grant: Grant) -> Tokens | None:
    try:
        return grant.open(vault)
    except SealBroken:
        return None


def _take_back(lease: Lease) -> None:
    """Say in the leased row why no attempt is made."""
    row = leases.held(lease)
    if row is None:
        db.session.rollback()
        return
    grant, at = row
    grant.attempts -= 1
    if _opened(grant) is None:
        alarm.does_not_open("grants", grant.id)
        grant.due_at = at + UNREADABLE_FOR
        grant.release()
    elif registrations[grant.provider] is None:
        _fail(grant, ProviderFailure(Failure.NOT_READY), at)
    else:
        _leave(grant, at)
    db.session.commit()


def _can_renew(registration: Registration, grant: Grant, tokens: Tokens, at: datetime) -> bool:
    if registration.provider.has_refresh_tokens:
        return tokens.refresh_token is not None
    return grant.renewable and not grant.is_over(at)


def _leave(grant: Grant, at: datetime) -> None:
    """Let a token that nothing can renew live on to its end, or note that it has come."""
    if grant.is_over(at):
        _end(grant, at, "its token has expired, and nothing can renew it")
    else:
        keeping.schedule(grant, renewable=False)
        grant.release()


def _as_it_is(grant: Grant, tokens: Tokens, at: datetime) -> Fresh:
    return Fresh(
        user_id=grant.user_id,
        provider=grant.provider,
        account_id=grant.account_id,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        at=at,
        expires_at=grant.expires_at,
        refresh_expires_at=grant.refresh_expires_at,
        scopes_granted=tuple(grant.scopes_granted),
    )


def _ask(attempt: _Attempt, deadline: Deadline) -> TokenAnswer:
    client, tokens = Client(attempt.registration, deadline), attempt.before.tokens
    refresh_token = tokens.refresh_token
    if client.provider.has_refresh_tokens and refresh_token is not None:
        return exchange.refresh(client, refresh_token)
    return exchange.lengthen(client, TokenAnswer(tokens.access_token))


def _store(attempt: _Attempt, answer: TokenAnswer, slot: Slot, deadline: Deadline) -> None:
    """Spool the answer, store it where the lease still holds, and forget it on disk."""
    lease, fresh = attempt.lease, _fresh(attempt, answer)
    entry = spooled.put(slot, lease.place, fresh)
    if spooled.store_unmoved(lease, attempt.grant, fresh):
        counters.refreshes.labels(fresh.provider, counters.RENEWED).inc()
    else:
        _store_as_it_is(lease, fresh, deadline)
    if entry is not None:
        entry.drop()


def _store_as_it_is(lease: Lease, fresh: Fresh, deadline: Deadline) -> None:
    """Store an answer in a row that has changed since the attempt was recorded, or settle what is spare."""
    row = leases.held(lease)
    if row is None:
        db.session.rollback()
        spooled.settle(lease.place, fresh, deadline)
    else:
        spooled.store(row[0], fresh)
        db.session.commit()
        counters.refreshes.labels(fresh.provider, counters.RENEWED).inc()


def _fresh(attempt: _Attempt, answer: TokenAnswer) -> Fresh:
    """Complete an answer: what it does not say is as it was (RFC 6749, section 6)."""
    before, at = attempt.before, attempt.clock.now()
    scopes = before.scopes_granted
    if answer.scopes is not None:
        scopes = granted_scopes(attempt.registration, answer.scopes)
    return Fresh(
        user_id=before.user_id,
        provider=before.provider,
        account_id=before.account_id,
        access_token=answer.access_token,
        refresh_token=answer.refresh_token or before.refresh_token,
        at=at,
        expires_at=answer.expires_at(at),
        refresh_expires_at=answer.refresh_expires_at(at) or before.refresh_expires_at,
        scopes_granted=scopes,
    )


def _note(lease: Lease, failure: ProviderFailure) -> Kind | None:
    """Note a failure in the leased row. Where the token has moved meanwhile it was a lost race, and none."""
    row = leases.held(lease)
    if row is None:
        db.session.rollback()
        return None
    grant, at = row
    _fail(grant, failure, at)
    db.session.commit()
    return failure.of_grant


def end_refused(grant: Grant) -> None:
    """End a grant whose token the provider's API has refused and that nothing can renew.

    A token that has moved meanwhile was not the one that was refused.
    """
    same = select(Grant, clock()).where(
        Grant.id == grant.id,
        Grant.incarnation == grant.incarnation,
        Grant.generation == grant.generation,
        Grant.ended_at.is_(None),
    )
    row = db.session.execute(same.with_for_update(of=Grant)).one_or_none()
    if row is not None:
        _end(row[0], row[1], Failure.GRANT_DEAD.value)
    db.session.commit()


def _fail(grant: Grant, failure: ProviderFailure, at: datetime) -> None:
    kind = failure.of_grant
    counters.refreshes.labels(grant.provider, kind.value).inc()
    if kind is Kind.DEAD_GRANT:
        _end(grant, at, failure.kind.value)
        return
    first = grant.fail(kind.value, at, failure.retry_after)
    if first and kind is Kind.OPERATOR:
        log.error("%s: %s", grant.provider, failure.kind.value)
    if first:
        audit.record("grant.refresh_failed", user_id=grant.user_id, target=grant.provider, detail=kind.value)


def _end(grant: Grant, at: datetime, why: str) -> None:
    grant.end(at)
    audit.record("grant.end", user_id=grant.user_id, target=grant.provider, detail=why)
