"""All services at a glance: what is connected and how it is, what could be, what is not set up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, select

from app.extensions import db, reading, registrations
from app.models import Grant, Service, ServiceConnection, clock
from app.oauth.provider import Provider, ServiceDeclaration
from app.providers import SERVICES, provider_of, service_named

from . import status
from .looking import Look
from .status import Status

_Row = tuple[ServiceDeclaration, Grant | None, datetime]


@dataclass(frozen=True, slots=True)
class Glance:
    """A service that is offered, and how its connection is; `status` is None where there is none.

    `ready` tells whether it can be connected; `together` are the services that one flow connects with it.
    """

    service: ServiceDeclaration
    ready: bool
    status: Status | None
    together: Sequence[ServiceDeclaration]

    @property
    def provider(self) -> Provider:
        return provider_of(self.service)


def every(*, user_id: int) -> list[Glance]:
    """Return every service that is enabled, by id, as this user has it."""
    reading()
    mine = and_(ServiceConnection.service_id == Service.id, ServiceConnection.user_id == user_id)
    found = db.session.execute(
        select(Service.name, Grant, clock())
        .outerjoin(ServiceConnection, mine)
        .outerjoin(Grant, Grant.id == ServiceConnection.grant_id)
        .where(Service.enabled, Service.name.in_([service.name for service in SERVICES]))
        .order_by(Service.id)
    ).all()
    rows: list[_Row] = [(service_named(name), grant, at) for name, grant, at in found]
    glances = [_glance(row, rows) for row in rows]
    db.session.rollback()
    return glances


def one(*, user_id: int, service: ServiceDeclaration) -> Glance | None:
    """Return one of them, or None where it is not offered."""
    return next((found for found in every(user_id=user_id) if found.service == service), None)


def _glance(row: _Row, rows: Sequence[_Row]) -> Glance:
    service, grant, at = row
    others = [other for other in rows if other is not row and provider_of(other[0]) == provider_of(service)]
    known = None
    if grant is not None:
        shared_with = [other.name for other, its_grant, _ in others if its_grant is grant]
        known = status.told(Look(grant, at, service), shared_with)
    return Glance(
        service=service,
        ready=registrations[provider_of(service).name] is not None,
        status=known,
        together=[other for other, _, _ in others],
    )
