"""First grants: what was received becomes a user's who has none at this provider. Most callbacks bring one.

Statements that are compiled once do it, in one transaction. Who has a grant, or is no user any more, is left
to app/services/grants.py.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.extensions import direct
from app.models import Grant, Service, ServiceConnection, User
from app.models.base import Id
from app.models.direct import Row, Statement, Transaction
from app.oauth.provider import Provider
from app.providers import provider_named

from . import audit, keeping
from .received import Received

_COLUMNS = Grant.__table__.c
_NEW = (  # what a row has before its tokens are kept: they are bound to its id
    "user_id",
    "provider",
    "incarnation",
    "generation",
    "account_id",
    "account_label",
    "scopes_asked",
    "scopes_granted",
    "sealed",
    "authorized_at",
    "token_at",
    "last_used_at",
    "attempts",
    "failing_days",
    "renewable",
)
_KEPT = (*keeping.KEPT, "authorized_at", "last_used_at")
_OF_USER = ("user_id", "provider")
_LINK = ("user_id", "service_id", "grant_id", "connected_at", "updated_at")

_USER = Statement(
    select(User.shown_id)
    .where(User.id == bindparam("of_user", type_=Id), User.disabled_at.is_(None))
    .with_for_update()
)
_INSERT = Statement(
    sqlite.insert(Grant).on_conflict_do_nothing(index_elements=_OF_USER).returning(_COLUMNS.id),
    given=_NEW,
    postgresql=postgresql.insert(Grant)
    .on_conflict_do_nothing(index_elements=_OF_USER)
    .returning(_COLUMNS.id),
)
_KEEP = Statement(
    update(Grant)
    .where(Grant.id == bindparam("of_id", type_=Id))
    .values({name: bindparam(f"kept_{name}", type_=_COLUMNS[name].type) for name in _KEPT})
)
_OFFERED = Statement(
    select(Service.id, Service.name, Service.display_name).where(Service.enabled).order_by(Service.id)
)
_CONNECT = Statement(insert(ServiceConnection).returning(ServiceConnection.id), given=_LINK)

Links = Sequence[tuple[int, datetime, Row]]  # of each service: the link's id, since when, and the service


def attach(
    user_id: int, provider: Provider, received: Received, told: str
) -> tuple[int, Grant, Links] | None:
    """Store the grant, connect its services; return the user's shown id, the grant and its links.

    None where there is no such user, or a grant: then nothing is changed. `told` is for the audit.
    """
    with direct.transaction() as writing:
        user = writing.first(_USER, of_user=user_id)
        grant = None if user is None else _stored(writing, user_id, provider, received)
        if user is None or grant is None:
            return None
        links = _linked(writing, grant)
        audit.add(writing, "connection.connect", user_id=user_id, target=provider.name, detail=told)
    return user[0], grant, links


def _stored(writing: Transaction, user_id: int, provider: Provider, received: Received) -> Grant | None:
    fresh = received.fresh
    grant = Grant(
        user_id=user_id,
        provider=provider.name,
        incarnation=secrets.token_hex(16),
        generation=0,
        account_id=fresh.account_id,
        account_label=received.account_label,
        scopes_asked=list(received.scopes_asked),
        scopes_granted=[],
        sealed=b"",
        authorized_at=fresh.at,
        token_at=fresh.at,
        last_used_at=fresh.at,
        attempts=0,
        failing_days=0,
        renewable=False,
    )
    row = writing.first(_INSERT, **_values(grant, _NEW))
    if row is None:
        return None
    grant.id = row[0]
    keeping.keep(grant, fresh, consented=True)
    kept = {f"kept_{name}": value for name, value in _values(grant, _KEPT).items()}
    writing.all(_KEEP, of_id=grant.id, **kept)
    return grant


def _values(grant: Grant, names: Sequence[str]) -> dict[str, object]:
    return {name: getattr(grant, name) for name in names}


def _linked(writing: Transaction, grant: Grant) -> Links:
    names = {service.name for service in provider_named(grant.provider).services}
    common = {"user_id": grant.user_id, "grant_id": grant.id, "connected_at": grant.authorized_at}
    links = []
    for service in writing.all(_OFFERED):
        if service[1] in names:
            values = {**common, "service_id": service[0], "updated_at": grant.token_at}
            [row] = writing.all(_CONNECT, **values)
            links.append((row[0], grant.authorized_at, service))
    return links
