"""Grants: what was received becomes a user's, new or in place of what was; what is left over ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select

from app.errors import AccountMismatch, InvalidSession
from app.extensions import db, vault
from app.models import Grant, Service, ServiceConnection, Tokens, User
from app.oauth.answers import missing_scopes
from app.oauth.outbound import Deadline
from app.oauth.revocation import Outcome
from app.providers import provider_named
from app.vault import SealBroken

from . import audit, ending, first_grants, keeping, revocations
from .first_grants import Links
from .pending import Wish
from .received import Received
from .sparing import spare


@dataclass(frozen=True, slots=True)
class Connected:
    """One service that a user is connected to now. `user_id` is what callers see."""

    id: int
    user_id: int
    service_id: int
    service_name: str
    service_display_name: str
    connected_at: datetime
    updated_at: datetime
    token_expires_at: datetime | None


def attach(wish: Wish, received: Received, deadline: Deadline) -> list[Connected]:
    """Store what was received as this user's grant, connect its services, and return them by id.

    Raises AccountMismatch where another provider account is connected and the wish is not to replace it;
    InvalidSession where the user, or the grant that was to be renewed, has gone meanwhile. Both change
    nothing, and spare what was received.
    """
    first = None
    if received.reconnects is None:
        told = _told(wish, received)
        first = first_grants.attach(wish.user_id, wish.provider, received, told)
    return _attach(wish, received, deadline) if first is None else _connected(*first)


def _attach(wish: Wish, received: Received, deadline: Deadline) -> list[Connected]:
    """Do so where there is a grant already, or something in the way."""
    spared: list[Outcome | int] = []
    user = select(User.shown_id).where(User.id == wish.user_id, User.disabled_at.is_(None)).with_for_update()
    shown_id = db.session.scalar(user)
    if shown_id is None:
        spare(wish, received.fresh.tokens, received.fresh.account_id, deadline)
        raise InvalidSession
    grant = db.session.scalar(
        select(Grant)
        .where(Grant.user_id == wish.user_id, Grant.provider == wish.provider.name)
        .with_for_update()
    )
    if grant is None and received.reconnects is not None:  # disconnected while the code was exchanged
        spare(wish, received.fresh.tokens, received.fresh.account_id, deadline)
        raise InvalidSession
    if grant is not None and not received.account.is_same_as(grant.account_id):
        if not wish.replace:
            spare(wish, received.fresh.tokens, received.fresh.account_id, deadline)
            raise AccountMismatch(service=wish.service.display_name)
        spared.append(revocations.queue_grant(grant))
        grant = None
    if grant is None:
        grant = _new_grant(wish, received)
    else:
        spared += _renew(wish, grant, received)
    connected = _link(grant, shown_id)
    audit.record(
        "connection.connect", user_id=wish.user_id, target=wish.provider.name, detail=_told(wish, received)
    )
    db.session.commit()
    ending.run(spared, deadline)
    return connected


def _told(wish: Wish, received: Received) -> str:
    """Return what the audit says of a new connection: whose account, and what was not granted."""
    missing = missing_scopes(wish.provider, received.scopes_asked, received.fresh.scopes_granted)
    account = f"{received.account_label} ({received.fresh.account_id})"
    return f"{account}; not granted: {' '.join(missing)}" if missing else account


def _new_grant(wish: Wish, received: Received) -> Grant:
    grant = Grant(user_id=wish.user_id, provider=wish.provider.name, sealed=b"", scopes_granted=[])
    _describe(grant, received)
    db.session.add(grant)
    db.session.flush()
    keeping.keep(grant, received.fresh, consented=True)
    return grant


def _renew(wish: Wish, grant: Grant, received: Received) -> list[Outcome | int]:
    """Put new tokens in place of the old ones, and queue the end of those that nobody holds any more."""
    try:
        old = grant.open(vault)
    except SealBroken:
        old = received.fresh.tokens
    expired_at, kept, fresh = grant.expires_at, received.fresh.refresh_token, received.fresh
    if kept is None:
        kept = old.refresh_token
        fresh = replace(fresh, refresh_token=kept, refresh_expires_at=grant.refresh_expires_at)
    _describe(grant, received)
    keeping.keep(grant, fresh, consented=True)
    db.session.flush()
    if old.access_token == received.fresh.access_token:
        return []
    superseded = Tokens(old.access_token, old.refresh_token if old.refresh_token != kept else None)
    queued = revocations.queue(
        wish.provider,
        user_id=wish.user_id,
        account_id=grant.account_id,
        tokens=superseded,
        expires_at=expired_at,
    )
    return [queued]


def _describe(grant: Grant, received: Received) -> None:
    grant.account_id = received.fresh.account_id
    grant.account_label = received.account_label
    grant.scopes_asked = list(received.scopes_asked)


def _link(grant: Grant, shown_id: int) -> list[Connected]:
    """Connect every service of the grant's provider that is offered; one connected before keeps its id."""
    provider = provider_named(grant.provider)
    names = [service.name for service in provider.services]
    offered = db.session.scalars(
        select(Service).where(Service.name.in_(names), Service.enabled).order_by(Service.id)
    ).all()
    known = {link.service_id: link for link in grant.links}
    links = []
    for service in offered:
        link = known.get(service.id)
        if link is None:
            link = ServiceConnection(user_id=grant.user_id, service=service, connected_at=grant.authorized_at)
            grant.links.append(link)
        link.updated_at = grant.token_at
        links.append(link)
    db.session.flush()
    found = [(link, link.service) for link in links]
    connected = [
        (link.id, link.connected_at, (service.id, service.name, service.display_name))
        for link, service in found
    ]
    return _connected(shown_id, grant, connected)


def _connected(shown_id: int, grant: Grant, links: Links) -> list[Connected]:
    ends_at = grant.token_ends_at(provider_named(grant.provider).unused_token_days)
    return [
        Connected(
            id=id,
            user_id=shown_id,
            service_id=service[0],
            service_name=service[1],
            service_display_name=service[2],
            connected_at=at,
            updated_at=grant.token_at,
            token_expires_at=ends_at,
        )
        for id, at, service in links
    ]
