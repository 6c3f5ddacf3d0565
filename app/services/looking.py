"""A grant as it is now, with the database's clock: read by one statement, which may tell of it, too."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Interval,
    SQLColumnExpression,
    String,
    and_,
    bindparam,
    literal,
    not_,
    or_,
    select,
)

from app.errors import SecretUnreadable, ServiceNotConnected, ServiceNotFound
from app.extensions import direct, vault
from app.models import Grant, Service, ServiceConnection, Tokens, User, clock
from app.models.base import Id
from app.models.direct import Row, Statement, columns_of, made
from app.oauth.provider import ServiceDeclaration
from app.vault import SealBroken

from . import alarm, audit, standing
from .standing import USER_ID, Caller

A_DAY = timedelta(days=1)  # a token that was used within it need not be noted to be used

_NAME = bindparam("service", type_=String())
_MIN_TTL = bindparam("min_ttl", type_=Interval())


@dataclass(frozen=True)
class Look:
    """A grant as it was at a moment of the database's clock; of no session.

    `overdue` tells that its token was to be renewed, and could not be.
    """

    grant: Grant
    at: datetime
    service: ServiceDeclaration
    overdue: bool = False

    def open(self) -> Tokens:
        """Return what the grant holds; its seal is opened once. Raises SecretUnreadable."""
        return self._tokens

    @cached_property
    def _tokens(self) -> Tokens:
        try:
            return self.grant.open(vault)
        except SealBroken:
            alarm.does_not_open("grants", self.grant.id)
            raise SecretUnreadable from None


def _is_good(found: CTE) -> ColumnElement[bool]:
    """Tell that a token is surely handed out as it is: then tokens.py finds so too.

    What has no grant has no last use either.
    """
    return and_(
        found.c.enabled,
        found.c.last_used_at >= found.c.clock - literal(A_DAY, Interval()),
        found.c.ended_at.is_(None),
        found.c.attempted_at.is_(None),
        or_(found.c.expires_at.is_(None), found.c.expires_at > found.c.clock + _MIN_TTL),
        or_(found.c.due_at > found.c.clock, and_(found.c.due_at.is_(None), not_(found.c.renewable))),
    )


def _with_grant(service: FromClause, user_id: SQLColumnExpression[int]) -> FromClause:
    """Join this user's grant to the service that `service` gives, from outside."""
    mine = and_(
        ServiceConnection.user_id == user_id,
        ServiceConnection.service_id == bindparam("service_id", type_=Id),
    )
    return service.outerjoin(ServiceConnection, mine).outerjoin(Grant, Grant.id == ServiceConnection.grant_id)


_SEEN = select(*columns_of(Grant), Service.enabled, clock().label("clock"))
_LOOK = Statement(_SEEN.select_from(_with_grant(Service.__table__, USER_ID)).where(Service.name == _NAME))
_READ = audit.told_with(
    _SEEN.select_from(_with_grant(standing.USERS.outerjoin(Service, Service.name == _NAME), User.id)).where(
        standing.STANDS
    ),
    "token.read",
    target=lambda _: _NAME,
    detail=lambda _: literal("access_token"),
    when=_is_good,
)


def look(*, user_id: int, service: ServiceDeclaration) -> Look:
    """Read the grant behind a service. Raises ServiceNotFound, ServiceNotConnected."""
    found = direct.first(_LOOK, user_id=user_id, service=service.name, service_id=service.id)
    return _look(found, service)


def read(*, caller: Caller, service: ServiceDeclaration, min_ttl: timedelta) -> tuple[Look, bool]:
    """Do the same for whoever asks for the token, and tell whether the event of its disclosure is committed.

    It is where the token surely lives for `min_ttl`, and the database can tell. Raises TokenInvalid, too.
    """
    named = {"service": service.name, "service_id": service.id}
    [found] = standing.rows(_READ.best, caller, min_ttl=min_ttl, **named, **audit.told())
    return _look(found[:-1], service), bool(found[-1])


def _look(found: Row | None, service: ServiceDeclaration) -> Look:
    if found is None or not found[-2]:
        raise ServiceNotFound(service=service.display_name)
    grant: Grant = made(Grant, found[:-2])
    if grant.id is None:
        raise ServiceNotConnected(service=service.display_name)
    return Look(grant, found[-1], service)
