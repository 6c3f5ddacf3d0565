"""The truth about a connection: whose account, for what, until when, how it is; as known, or asked now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from app.errors import ReconnectRequired, ServiceNotConfigured, TokenUnavailable
from app.extensions import db, lanes, reading, registrations
from app.models import Grant, Service, ServiceConnection
from app.oauth.answers import Failure, Kind, ProviderFailure, TokenAnswer, granted_scopes
from app.oauth.client import Client
from app.oauth.exchange import Identity, identify
from app.oauth.outbound import Deadline
from app.oauth.provider import ServiceDeclaration
from app.oauth.registration import Registration
from app.providers import provider_named

from . import audit, health, looking, refreshing, tokens
from .health import Health
from .looking import Look


@dataclass(frozen=True, slots=True)
class Status:
    """What stands here of a connection. `shared_with` are the services that connect and end with it."""

    service_name: str
    account_id: str
    account_label: str
    scopes_granted: Sequence[str]
    scopes_missing: Sequence[str]
    authorized_at: datetime
    token_expires_at: datetime | None
    grant_expires_at: datetime | None
    last_refresh_at: datetime | None
    renews_itself: bool
    attempts: int
    failure: str | None
    failed_at: datetime | None
    failing_days: int
    retry_at: datetime | None
    shared_with: Sequence[str]
    health: Health


@dataclass(frozen=True, slots=True)
class Tested:
    """What the provider said of a connection just now. `failure` is None where it works."""

    failure: Kind | None
    status: Status

    @property
    def works(self) -> bool:
        return self.failure is None


def status(*, user_id: int, service: ServiceDeclaration) -> Status:
    """Return what is known, without asking anybody. Raises ServiceNotFound, ServiceNotConnected."""
    now = looking.look(user_id=user_id, service=service)
    return told(now, _siblings(now.grant, service))


def test(*, user_id: int, service: ServiceDeclaration) -> Tested:
    """Ask the provider whose token this is; renew it first if it is due, and where it is refused.

    Raises ServiceNotFound, ServiceNotConnected, ServiceNotConfigured, SecretUnreadable, ProviderBusy.
    """
    first = looking.look(user_id=user_id, service=service)
    registration = registrations[first.grant.provider]
    if registration is None:
        raise ServiceNotConfigured(service=service.display_name)
    deadline = Deadline()
    try:
        now = tokens.renewed(first, timedelta(seconds=tokens.MIN_TTL), deadline)
        failure = _ask(now, registration, deadline, may_renew=now.grant.generation == first.grant.generation)
    except ReconnectRequired:
        failure = Kind.DEAD_GRANT
    except TokenUnavailable:
        failure = _last_failure(looking.look(user_id=user_id, service=service))
    found = "works" if failure is None else failure.value
    audit.record("connection.test", user_id=user_id, target=service.name, detail=found)
    db.session.commit()
    return Tested(failure, status(user_id=user_id, service=service))


def _ask(now: Look, registration: Registration, deadline: Deadline, *, may_renew: bool) -> Kind | None:
    """Ask for the identity, and learn what it says. A token that is refused is renewed once, if it can be."""
    try:
        identity = _identity(now, registration, deadline)
    except ProviderFailure as failure:
        if failure.kind is not Failure.GRANT_DEAD:
            return failure.of_grant
        if not _has_refresh_token(now.grant):
            refreshing.end_refused(now.grant)
            return Kind.DEAD_GRANT
        if not may_renew:  # a new token is refused too: that says nothing of the grant
            return Kind.MALFORMED
        after = tokens.renewed(now, timedelta(0), deadline, whatever=True)
        if after.grant.generation == now.grant.generation:
            return _last_failure(after)
        return _ask(after, registration, deadline, may_renew=False)
    _learn(now, registration, identity)
    return None


def _identity(now: Look, registration: Registration, deadline: Deadline) -> Identity:
    answer = TokenAnswer(now.open().access_token)
    with lanes.enter(registration.provider):
        return identify(Client(registration, deadline), answer)


def _last_failure(now: Look) -> Kind:
    return Kind(now.grant.failure or Kind.OUTAGE.value)


def _learn(now: Look, registration: Registration, identity: Identity) -> None:
    """Keep what has changed of the account's name and, where the provider lists them, of its permissions."""
    same = select(Grant).where(Grant.id == now.grant.id, Grant.generation == now.grant.generation)
    grant = db.session.scalar(same.with_for_update())
    if grant is None or not identity.account.is_same_as(grant.account_id):
        db.session.rollback()
        return
    grant.account_label = identity.account.label
    if identity.scopes is not None:
        grant.scopes_granted = list(granted_scopes(registration, identity.scopes))
    db.session.commit()


def told(now: Look, shared_with: Sequence[str]) -> Status:
    """Return what a look shows; `shared_with` are the other services of its grant."""
    grant, provider = now.grant, provider_named(now.grant.provider)
    token_ends_at = grant.token_ends_at(provider.unused_token_days)
    return Status(
        service_name=now.service.name,
        account_id=grant.account_id,
        account_label=grant.account_label,
        scopes_granted=tuple(grant.scopes_granted),
        scopes_missing=health.missing_of(grant),
        authorized_at=grant.authorized_at,
        token_expires_at=token_ends_at,
        grant_expires_at=grant.ends_at or (None if _has_refresh_token(grant) else token_ends_at),
        last_refresh_at=None if grant.token_at == grant.authorized_at else grant.token_at,
        renews_itself=grant.renewable and grant.ended_at is None,
        attempts=grant.attempts,
        failure=grant.failure,
        failed_at=grant.failed_at,
        failing_days=grant.failing_days,
        retry_at=grant.retry_at,
        shared_with=tuple(shared_with),
        health=health.of(grant, now.service, now.at),
    )


def _has_refresh_token(grant: Grant) -> bool:
    return grant.renewable and provider_named(grant.provider).has_refresh_tokens


def _siblings(grant: Grant, service: ServiceDeclaration) -> tuple[str, ...]:
    reading()
    names = db.session.scalars(
        select(Service.name)
        .join(ServiceConnection, ServiceConnection.service_id == Service.id)
        .where(ServiceConnection.grant_id == grant.id, Service.name != service.name)
        .order_by(Service.id)
    ).all()
    db.session.rollback()
    return tuple(names)
