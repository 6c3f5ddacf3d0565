"""Ending what is queued: the provider is called, and what it did not take is tried again for a day.

A row of the queue is committed before the provider is called, and goes when the provider has answered:
whatever stops this process in between, the token that must end is still known.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import or_, select, update

from app import counters
from app.errors import ProviderBusy
from app.extensions import db, lanes, reading, registrations, vault
from app.models import Grant, Revocation, Tokens, clock, moment, now
from app.oauth.answers import Failure, Kind, ProviderFailure
from app.oauth.client import Client
from app.oauth.exchange import refresh
from app.oauth.outbound import Deadline
from app.oauth.provider import Revocation as Way
from app.oauth.revocation import Ending, Outcome, revoke
from app.providers import provider_named
from app.vault import SealBroken

from . import alarm, audit
from .revocations import FIRST_RETRY, GIVEN_UP_AFTER

LONGEST_RETRY = 3600
LEAST_ATTEMPTS = 8  # in that day: a queue that nobody worked on was not tried


def run(queued: Sequence[Outcome | int], deadline: Deadline | None = None) -> list[Outcome]:
    """Ask the providers, within ten seconds in all; what cannot be ended now stays queued."""
    deadline = deadline or Deadline()
    return [item if isinstance(item, Outcome) else _attempt(item, deadline) for item in queued]


def retry_next() -> bool:
    """Try the one again that has waited the longest; tell whether there was one. Each worker gets another."""
    waiting = (
        select(Revocation.id)
        .where(or_(Revocation.retry_at.is_(None), Revocation.retry_at <= moment()))
        .order_by(Revocation.retry_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    claimed = (
        update(Revocation)
        .where(Revocation.id == waiting.scalar_subquery())
        .values(retry_at=clock(FIRST_RETRY))
        .returning(Revocation.id)
        .execution_options(synchronize_session=False)
    )
    row_id = db.session.scalar(claimed)
    db.session.commit()
    if row_id is not None:
        _attempt(row_id, Deadline())
    return row_id is not None


def _attempt(row_id: int, deadline: Deadline) -> Outcome:
    tried, retry_after = True, None
    try:
        outcome = _end(row_id, deadline)
    except SealBroken:
        alarm.does_not_open("revocations", row_id)
        outcome, tried = Outcome.QUEUED, False
    except ProviderBusy:
        outcome, tried = Outcome.QUEUED, False
    except ProviderFailure as failure:
        # No token of it works any more, so there is none left to end it with.
        outcome = Outcome.ALREADY_GONE if failure.of_grant is Kind.DEAD_GRANT else Outcome.QUEUED
        tried, retry_after = failure.kind is not Failure.NOT_READY, failure.retry_after
    row = db.session.get(Revocation, row_id, with_for_update=True)
    if row is not None:
        row.attempts += tried
        _note(row, outcome, tried=tried, retry_after=retry_after or 0)
    db.session.commit()
    return outcome


def _note(row: Revocation, outcome: Outcome, *, tried: bool, retry_after: float) -> None:
    """Take an ended one out of the queue, and one that was tried for a day; date the others.

    What only waits for a key or for credentials of ours was not tried, and is not given up.
    """
    at = db.session.scalars(select(clock())).one()
    is_late = tried and at - row.created_at >= GIVEN_UP_AFTER and row.attempts >= LEAST_ATTEMPTS
    found = counters.GIVEN_UP if outcome is Outcome.QUEUED and is_late else outcome.value
    target = f"{row.provider}:{row.account_id}"
    audit.record("grant.revoke", user_id=row.user_id, target=target, detail=found)
    counters.revocations.labels(row.provider, found).inc()
    if found != Outcome.QUEUED.value:
        db.session.delete(row)
        return
    wait = max(FIRST_RETRY * 2 ** min(row.attempts, 10), retry_after)
    row.retry_at = at + timedelta(
        seconds=min(wait, max(LONGEST_RETRY, retry_after), GIVEN_UP_AFTER.total_seconds())
    )


def _doubt(row: Revocation) -> None:
    """Have a grant asked about that was made anew while its account's older one was being ended.

    Most providers end all tokens of an account: whether the new ones are among them shows at a renewal.
    """
    anew = update(Grant).where(Grant.provider == row.provider, Grant.account_id == row.account_id)
    if provider_named(row.provider).has_refresh_tokens:
        anew = anew.values(expires_at=clock())
    db.session.execute(anew.where(Grant.renewable).values(due_at=clock()))


def _end(row_id: int, deadline: Deadline) -> Outcome:
    """Call the provider, with no transaction open meanwhile.

    Where a live row has the same provider account, ending the grant would end that too: then only the one
    token is ended if the provider can, and nothing if it cannot. This is asked now and not when the row was
    queued: two that go at once must not each leave the end to the other.
    """
    reading()
    row = db.session.get(Revocation, row_id)
    if row is None:  # somebody else has ended it
        return Outcome.ALREADY_GONE
    shared = _is_alive(row)
    db.session.expunge(row)
    db.session.rollback()
    registration, tokens = registrations[row.provider], row.open(vault)
    if registration is None:
        raise ProviderFailure(Failure.NOT_READY)
    if shared and registration.provider.revocation is not Way.APPLICATION:
        return Outcome.SHARED
    if shared and row.expires_at is not None and row.expires_at <= now():
        return Outcome.ALREADY_GONE  # refreshing what may be spent could end what lives
    with lanes.enter(registration.provider):
        outcome = _ask(row, tokens, Client(registration, deadline), deadline, shared=shared)
    if outcome is Outcome.REVOKED and not shared:
        _doubt(row)
    return outcome


def _ask(row: Revocation, tokens: Tokens, client: Client, deadline: Deadline, *, shared: bool) -> Outcome:
    access_token = tokens.access_token
    if client.provider.revocation is Way.APPLICATION:  # takes a live access token, and no other
        access_token = _live_access_token(row, tokens, client, deadline)
    ending = Ending(access_token, tokens.refresh_token, row.account_id, whole_grant=not shared)
    return revoke(client, ending)


def _is_alive(row: Revocation) -> bool:
    """Tell whether a live grant has this provider account; an unknown one may be any of this user's."""
    same = Grant.account_id == row.account_id if row.account_id else Grant.user_id == row.user_id
    alive = select(Grant.id).where(Grant.provider == row.provider, same, Grant.ended_at.is_(None)).limit(1)
    return db.session.scalar(alive) is not None


def _live_access_token(row: Revocation, tokens: Tokens, client: Client, deadline: Deadline) -> str:
    refresh_token = tokens.refresh_token
    if refresh_token is None or row.expires_at is None or row.expires_at > now():
        return tokens.access_token
    answer = refresh(client, refresh_token)
    kept = db.session.get(Revocation, row.id, with_for_update=True)
    if kept is not None:  # the old pair is dead: the next attempt, if there is one, needs the new one
        kept.seal(vault, Tokens(answer.access_token, answer.refresh_token or refresh_token))
        kept.expires_at = answer.expires_at(now())
    db.session.commit()
    return answer.access_token
