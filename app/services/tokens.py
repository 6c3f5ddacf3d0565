"""A token that works now. Renewed when it is due, by one caller of many; the others wait for it."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import select

from app import counters
from app.errors import ReconnectRequired, TokenUnavailable
from app.extensions import db, disclosing, lanes
from app.models import Grant
from app.oauth.lanes import Visit
from app.oauth.outbound import Deadline
from app.oauth.provider import ServiceDeclaration
from app.providers import provider_named
from app.waiting import waiting

from . import audit, health, keeping, leases, looking, refreshing, spooled
from .health import Word
from .looking import Look
from .standing import Caller

MIN_TTL = 60  # seconds that a token must live, unless the caller says otherwise
LONGEST_WAIT = 12.0  # seconds, for another's renewal
SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 0.5  # seconds between two looks, the longer the more was waited
ENOUGH = 5.0  # seconds that a provider gets at least: a call that is cut short may lose its answer


@dataclass(frozen=True, slots=True)
class LiveToken:
    """A token and what is known of it. `warning` tells why it is older than it should be, or ends soon."""

    access_token: str = field(repr=False)
    expires_at: datetime | None
    scopes: Sequence[str]
    warning: str | None
    token_type: str = "Bearer"


def live(*, caller: Caller, service: ServiceDeclaration, min_ttl: int = MIN_TTL) -> LiveToken:
    """Return a token that lives for `min_ttl` seconds, or for half of its whole life; renew it if need be.

    Raises TokenInvalid, ServiceNotFound, ServiceNotConnected; ReconnectRequired where only the user can mend
    the connection; TokenUnavailable where the token has expired and cannot be renewed now; SecretUnreadable.
    """
    life = timedelta(seconds=min_ttl)
    first, told = looking.read(caller=caller, service=service, min_ttl=life)
    return _disclosed(renewed(first, life, Deadline(LONGEST_WAIT)), told=told)


def renewed(first: Look, min_ttl: timedelta, wait: Deadline, *, whatever: bool = False) -> Look:
    """Return the grant when its token lives long enough, or is the best that can be had now.

    `whatever` renews a token that seems to live long enough. One caller renews; the others look again and
    again until its generation moves.
    """
    if _is_good(first, min_ttl, whatever=whatever):
        return first
    with lanes.visit(provider_named(first.grant.provider)) as visit:
        now = first
        while (
            not _is_good(now, min_ttl, whatever=whatever) and now.grant.generation == first.grant.generation
        ):
            if not _may_wait(now, wait, visit):
                return _as_it_is(now)
            _wait_or_renew(now, wait, visit)
            now = looking.look(user_id=now.grant.user_id, service=now.service)
        return now


def _is_good(now: Look, min_ttl: timedelta, *, whatever: bool) -> bool:
    """Tell whether this token can be handed out. Raises ReconnectRequired, SecretUnreadable.

    What looking.py tells of as handed out must be so here.
    """
    if now.grant.ended_at is not None:
        raise ReconnectRequired(service=now.service.display_name, path=health.start_path(now.service))
    now.open()
    return not whatever and not _is_due(now, min_ttl)


def _may_wait(now: Look, wait: Deadline, visit: Visit) -> bool:
    """Tell whether a renewal may come of waiting any longer, by this caller or another."""
    if now.grant.backs_off(now.at) or _belongs_to_another_node(now) or visit.must_leave():
        return False
    mine_to_do = not now.grant.is_leased(now.at) and visit.has_lane()
    return wait.remaining() > (ENOUGH if mine_to_do else 0)


def _wait_or_renew(now: Look, wait: Deadline, visit: Visit) -> None:
    if now.grant.is_leased(now.at) or not visit.has_lane():
        _pause(LONGEST_WAIT - wait.remaining())
        spooled.recover_stranded(now.grant)
    elif lease := leases.take(now.grant):
        refreshing.renew(lease, wait)


def _pause(waited: float) -> None:
    """Sleep for a fifth of what was waited so far, more or less: a crowd must not look all at once."""
    pause = min(max(SHORTEST_PAUSE, waited / 5), LONGEST_PAUSE)
    with waiting.long():
        time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - it only spreads the crowd


def _is_due(now: Look, min_ttl: timedelta) -> bool:
    """Tell whether this token must be renewed before it is handed out."""
    grant, provider = now.grant, provider_named(now.grant.provider)
    if grant.is_over(now.at) or not grant.renewable:
        return grant.is_over(now.at)
    if _may_be_spent(grant):
        return True
    if provider.renew_days_ahead is not None:  # once it has ended it is too late
        due_at = grant.due_at or keeping.due_at(provider, grant)
        return due_at is not None and due_at <= now.at
    return not grant.lives_for(min_ttl, now.at)


def _may_be_spent(grant: Grant) -> bool:
    """Tell whether a renewal that is not over, and perhaps never will be, may have ended this token."""
    return grant.attempted_at is not None and provider_named(grant.provider).rotation_ends_access


def _belongs_to_another_node(now: Look) -> bool:
    """Tell whether a renewal was broken off on another node, which may have its answer in its spool."""
    grant = now.grant
    broken_off = grant.attempted_at is not None and not grant.is_leased(now.at)
    return broken_off and not leases.may_take_over(grant, now.at)


def _as_it_is(now: Look) -> Look:
    """Return a token that could not be renewed, if it may still be handed out. Raises TokenUnavailable."""
    grant = now.grant
    if not grant.is_over(now.at) and not _may_be_spent(grant):
        return replace(now, overdue=True)
    wait = ceil((_until(grant, now.at) - now.at).total_seconds())
    raise TokenUnavailable(reason=_why_not_renewed(now), retry_after=max(1, wait))


def _until(grant: Grant, at: datetime) -> datetime:
    """Return when it is worth asking again: after the back-off, the lease, or another node's time."""
    if grant.retry_at is not None and grant.retry_at > at:
        return grant.retry_at
    if grant.lease_until is None:
        return at
    return grant.lease_until if grant.is_leased(at) else leases.free_for_all_at(grant.lease_until)


def _why_not_renewed(now: Look) -> str:
    if now.grant.failure is None:
        return "another renewal has not come to its end"
    return health.of(now.grant, now.service, now.at).reason


def _warning(now: Look) -> str | None:
    found = health.of(now.grant, now.service, now.at)
    if found.word in (Word.DEGRADED, Word.EXPIRING):
        return found.reason
    return _why_not_renewed(now) if now.overdue else None


def _disclosed(now: Look, *, told: bool) -> LiveToken:
    """Note that it is used and, unless that is told already, who reads it, before it leaves."""
    grant, days = now.grant, provider_named(now.grant.provider).unused_token_days
    access_token = now.open().access_token
    if now.at - grant.last_used_at > looking.A_DAY:
        grant.use(now.at, days)
        _note_use(grant, now.at, days)
    if not told:
        audit.disclose("token.read", user_id=grant.user_id, target=now.service.name, detail="access_token")
    counters.secrets_read.labels("token").inc()
    return LiveToken(
        access_token=access_token,
        expires_at=grant.token_ends_at(days),
        scopes=tuple(grant.scopes_granted),
        warning=_warning(now),
    )


def _note_use(grant: Grant, at: datetime, unused_token_days: int | None) -> None:
    disclosing()
    stored = select(Grant).where(Grant.id == grant.id, Grant.incarnation == grant.incarnation)
    row = db.session.scalar(stored.with_for_update())
    if row is not None:
        row.use(at, unused_token_days)
    db.session.commit()
