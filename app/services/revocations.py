"""Ending grants at their providers. What must be ended is queued with the change that makes it so.

A row of the queue is committed before the provider is called, and goes when the provider has answered:
whatever stops this process in between, the token that must end is still known.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from app.extensions import db, outbound, reading, registrations, vault
from app.models import Grant, Revocation, Tokens, now
from app.oauth.answers import ProviderFailure
from app.oauth.client import Client
from app.oauth.exchange import refresh
from app.oauth.outbound import Deadline
from app.oauth.provider import Provider
from app.oauth.provider import Revocation as Way
from app.oauth.revocation import Ending, Outcome, revoke
from app.providers import provider_named
from app.vault import SealBroken

from . import audit


def queue_grant(grant: Grant) -> Outcome | int:
    """Take a live grant away and queue its end. Part of the transaction under way.

    Returns the id of the queued row, or the outcome where nothing can be asked of the provider.
    """
    db.session.delete(grant)
    db.session.flush()  # before another grant takes its place
    try:
        tokens = grant.open(vault)
    except SealBroken:
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
        user_id=user_id, provider=provider.name, account_id=account_id, sealed=b"", expires_at=expires_at
    )
    db.session.add(row)
    db.session.flush()
    row.seal(vault, tokens)
    return row.id


def run(queued: Sequence[Outcome | int], deadline: Deadline | None = None) -> list[Outcome]:
    """Ask the providers, within ten seconds in all; what cannot be ended now stays queued."""
    deadline = deadline or Deadline()
    return [item if isinstance(item, Outcome) else _attempt(item, deadline) for item in queued]


def _attempt(row_id: int, deadline: Deadline) -> Outcome:
    try:
        outcome = _end(row_id, deadline)
    except (ProviderFailure, SealBroken):
        outcome = Outcome.QUEUED
    row = db.session.get(Revocation, row_id, with_for_update=True)
    if row is not None:
        row.attempts += 1
        target = f"{row.provider}:{row.account_id}"
        audit.record("grant.revoke", user_id=row.user_id, target=target, detail=outcome.value)
        if outcome is not Outcome.QUEUED:
            db.session.delete(row)
    db.session.commit()
    return outcome


def _end(row_id: int, deadline: Deadline) -> Outcome:
    """Call the provider, with no transaction open meanwhile.

    Where a live row has the same provider account, ending the grant would end that too: then only the one
    token is ended if the provider can, and nothing if it cannot. This is asked now and not when the row was
    queued: two that go at once must not each leave the end to the other.
    """
    reading()
    row = db.session.get_one(Revocation, row_id)
    shared = _is_alive(row)
    db.session.expunge(row)
    db.session.rollback()
    registration, tokens = registrations[row.provider], row.open(vault)
    if registration is None:
        return Outcome.QUEUED
    one_by_one = registration.provider.revocation is Way.APPLICATION
    if shared and not one_by_one:
        return Outcome.SHARED
    client, access_token = Client(registration, deadline), tokens.access_token
    if one_by_one:  # takes a live access token, and no other
        access_token = _live_access_token(row, tokens, client, deadline)
    ending = Ending(access_token, tokens.refresh_token, row.account_id, whole_grant=not shared)
    return outbound.within(deadline, lambda: revoke(client, ending))


def _is_alive(row: Revocation) -> bool:
    """Tell whether a live grant has this provider account; an unknown one may be any of this user's."""
    same = Grant.account_id == row.account_id if row.account_id else Grant.user_id == row.user_id
    alive = select(Grant.id).where(Grant.provider == row.provider, same).limit(1)
    return db.session.scalar(alive) is not None


def _live_access_token(row: Revocation, tokens: Tokens, client: Client, deadline: Deadline) -> str:
    refresh_token = tokens.refresh_token
    if refresh_token is None or row.expires_at is None or row.expires_at > now():
        return tokens.access_token
    answer = outbound.within(deadline, lambda: refresh(client, refresh_token))
    kept = db.session.get(Revocation, row.id, with_for_update=True)
    if kept is not None:  # the old pair is dead: the next attempt, if there is one, needs the new one
        kept.seal(vault, Tokens(answer.access_token, answer.refresh_token or refresh_token))
        kept.expires_at = answer.expires_at(now())
    db.session.commit()
    return answer.access_token
