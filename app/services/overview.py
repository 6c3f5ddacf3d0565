"""What all users keep here, for their operator: whose it is and how it is, never a value or a secret."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.orm import defer, selectinload

from app.extensions import db, reading, vault
from app.models import AuditEvent, Connection, Grant, Login, ServiceConnection, User, clock
from app.oauth.provider import ServiceDeclaration
from app.providers import SERVICES
from app.vault import SealBroken

from . import accounts, status
from .health import Word
from .looking import Look
from .status import Status

BATCH = 100  # rows that are in memory at a time
SIGNING_IN = ("user.login", "user.register")  # as the audit calls them

_SERVICES = {service.id: service for service in SERVICES}


@dataclass(frozen=True, slots=True)
class Held:
    """A user's connection to a service."""

    username: str
    status: Status


@dataclass(frozen=True, slots=True)
class HeldTyped:
    """A typed connection. `opens` tells whether its seal holds with the keys that are here."""

    username: str
    id: int
    name: str
    type: str
    created_at: datetime
    opens: bool


@dataclass(frozen=True, slots=True)
class Account:
    """A user, detached, and what is theirs. `last_sign_in_at` is None where no event of the audit tells."""

    user: User
    service_connections: int
    typed_connections: int
    logins: int
    last_sign_in_at: datetime | None


def connections(
    *, username: str | None = None, service: ServiceDeclaration | None = None, word: Word | None = None
) -> list[Held]:
    """Return connections to services by user: all, or those of one user, to one service, of one health.

    Raises UserNotFound. Nobody is asked, and no secret is read.
    """
    user_id = None if username is None else accounts.id_of(username=username)
    wanted = (
        select(User.username, ServiceConnection.service_id, Grant, clock())
        .join(ServiceConnection, ServiceConnection.user_id == User.id)
        .join(Grant, Grant.id == ServiceConnection.grant_id)
        .where(ServiceConnection.service_id.in_(_SERVICES if service is None else [service.id]))
        .where(true() if user_id is None else User.id == user_id)
        .order_by(User.id, ServiceConnection.service_id)
        .options(defer(Grant.sealed), selectinload(Grant.links))
        .execution_options(yield_per=BATCH)
    )
    reading()
    found = [
        Held(name, _status(Look(grant, at, _SERVICES[id])))
        for name, id, grant, at in db.session.execute(wanted)
    ]
    db.session.rollback()
    return [held for held in found if word in (None, held.status.health.word)]


def typed_connections(*, username: str | None = None) -> list[HeldTyped]:
    """Return typed connections and legacy tokens by user, of one or of all. Raises UserNotFound."""
    user_id = None if username is None else accounts.id_of(username=username)
    reading()
    found = list(_typed(user_id))
    db.session.rollback()
    return found


def account(*, username: str) -> Account:
    """Return what is known of a user. Raises UserNotFound."""
    user = accounts.found(username=username)
    mine = AuditEvent.user_id == user.id
    signed_in = select(AuditEvent.at).where(mine, AuditEvent.action.in_(SIGNING_IN))
    found = Account(
        user=user,
        service_connections=_count(ServiceConnection.user_id == user.id),
        typed_connections=_count(Connection.user_id == user.id),
        logins=_count(Login.user_id == user.id, Login.expires_at > clock()),
        last_sign_in_at=db.session.scalar(signed_in.order_by(AuditEvent.id.desc()).limit(1)),
    )
    db.session.expunge(user)
    db.session.rollback()
    return found


def _status(look: Look) -> Status:
    beside = (link.service_id for link in look.grant.links if link.service_id != look.service.id)
    return status.told(look, tuple(_SERVICES[id].name for id in beside if id in _SERVICES))


def _typed(user_id: int | None) -> Iterator[HeldTyped]:
    wanted = (
        select(User.username, Connection)
        .join(User, User.id == Connection.user_id)
        .where(true() if user_id is None else User.id == user_id)
        .order_by(User.id, Connection.id)
        .execution_options(yield_per=BATCH)
    )
    for username, row in db.session.execute(wanted):
        yield HeldTyped(username, row.id, row.name, row.type, row.created_at, _opens(row))


def _opens(row: Connection) -> bool:
    try:
        row.open(vault)
    except SealBroken:
        return False
    return True


def _count(*conditions: ColumnElement[bool]) -> int:
    return db.session.scalar(select(func.count()).where(*conditions)) or 0
