"""OAuth services as their user sees them: what there is, what is connected, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, select

from app.errors import ServiceNotConnected, ServiceNotFound, UnknownService
from app.extensions import db, reading
from app.models import Grant, Service, ServiceConnection, User
from app.models.direct import Statement
from app.oauth.provider import ServiceDeclaration
from app.oauth.revocation import Outcome
from app.providers import SERVICES

from . import audit, ending, revocations, spooled, standing
from .flows import offered
from .standing import Caller

_MINE = and_(ServiceConnection.service_id == Service.id, ServiceConnection.user_id == User.id)
_EVERY = Statement(
    select(
        Service.id,
        Service.name,
        Service.display_name,
        Service.description,
        ServiceConnection.connected_at,
    )
    .select_from(standing.USERS.outerjoin(Service, Service.enabled).outerjoin(ServiceConnection, _MINE))
    .where(standing.STANDS)
    .order_by(Service.id)
)


@dataclass(frozen=True, slots=True)
class Offer:
    """A service, and since when this user is connected to it; None: not connected."""

    service_id: int
    service_name: str
    display_name: str
    description: str
    connected_at: datetime | None

    @property
    def is_connected(self) -> bool:
        return self.connected_at is not None


def every(*, caller: Caller) -> list[Offer]:
    """Return every service that is enabled, by id. Raises TokenInvalid."""
    return [Offer(*row) for row in standing.rows(_EVERY, caller) if row[0] is not None]


def disconnect(*, user_id: int, service: ServiceDeclaration) -> Outcome:
    """End the grant behind a service here and at the provider, with all that hangs on it.

    Raises ServiceNotFound, ServiceNotConnected.
    """
    offered(service)
    spooled.catch_up(user_id)
    grant = db.session.scalar(
        select(Grant)
        .join(ServiceConnection)
        .where(ServiceConnection.user_id == user_id, ServiceConnection.service_id == service.id)
        .with_for_update(of=Grant)
    )
    if grant is None:
        raise ServiceNotConnected(service=service.display_name)
    together = ", ".join(link.service.name for link in grant.links)
    audit.record("connection.disconnect", user_id=user_id, target=service.name, detail=f"ended: {together}")
    queued = revocations.queue_grant(grant)
    db.session.commit()
    return ending.run([queued])[0]


def reset(*, user_id: int) -> int:
    """End every grant of a user; return how many services were connected."""
    spooled.catch_up(user_id)
    grants = db.session.scalars(select(Grant).where(Grant.user_id == user_id).with_for_update()).all()
    count = sum(len(grant.links) for grant in grants)
    queued = [revocations.queue_grant(grant) for grant in grants]
    audit.record("connection.reset", user_id=user_id, detail=f"{count} services")
    db.session.commit()
    ending.run(queued)
    return count


def declared(name: str) -> ServiceDeclaration:
    """Return the service of this name, offered or not. Raises UnknownService."""
    known = {service.name: service for service in SERVICES}
    if name not in known:
        raise UnknownService(known=", ".join(known))
    return known[name]


def is_offered(service: ServiceDeclaration) -> bool:
    try:
        offered(service)
    except ServiceNotFound:
        return False
    return True


def set_enabled(*, name: str, enabled: bool) -> None:
    """Offer a service, or stop offering it, on the operator's behalf. Raises ServiceNotFound."""
    row = db.session.scalar(select(Service).where(Service.name == name).with_for_update())
    if row is None:
        raise ServiceNotFound(service=name)
    row.enabled = enabled
    audit.record("service.enable" if enabled else "service.disable", user_id=None, target=name)
    db.session.commit()


def all_rows() -> list[Service]:
    reading()
    return list(db.session.scalars(select(Service).order_by(Service.id)))
