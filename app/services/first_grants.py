"""First grants: what was received becomes a user's who has none at this provider. Most callbacks bring one.

Statements that are compiled once do it, in one transaction. Who has a grant, or is no user any more, is left
to app/services/grants.py.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Insert,
    Select,
    bindparam,
    column,
    func,
    insert,
    join,
    or_,
    outerjoin,
    select,
    table,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite

from app.extensions import direct
from app.models import Grant, Service, ServiceConnection, User
from app.models.base import Id
from app.models.direct import Row, Statement, Steps, columns_of, values_of
from app.oauth.provider import Provider
from app.providers import PROVIDERS

from . import audit, keeping
from .received import Received
from .standing import USER_ID

Links = Sequence[tuple[int, datetime, Row]]  # of each service: the link's id, since when, and the service

_COLUMNS = columns_of(Grant)
_NAMES = [column.name for column in _COLUMNS]
_GIVEN = {column.name: bindparam(column.name, type_=column.type) for column in _COLUMNS}
_LINK = ("user_id", "service_id", "grant_id", "connected_at", "updated_at")
_NEW = select(*_GIVEN.values()).where(User.id == USER_ID)


def _user(grant_id: ColumnElement[int]) -> Select[int, int]:
    """Return what locks a user, and finds what callers see of it, and the id of a grant that is to come."""
    user = select(User.shown_id, grant_id).where(User.id == USER_ID, User.disabled_at.is_(None))
    return user.with_for_update()


_NUMBERED = table("sqlite_sequence", column("name"), column("seq", Id))
_LAST = select(_NUMBERED.c.seq).where(_NUMBERED.c.name == Grant.__tablename__).scalar_subquery()
_USER = Statement(
    _user(func.coalesce(_LAST, 0) + 1),
    postgresql=_user(func.nextval(func.pg_get_serial_sequence(Grant.__tablename__, "id"))),
)


def _storing(provider: Provider) -> Steps:
    """Return what stores a grant where there is none, connects what is offered of its provider, and tells it.

    It returns a row for each service, or one without a service; none where there is a grant already.
    """
    stored = postgresql.insert(Grant).from_select(_NAMES, _NEW, include_defaults=False)
    grant = _unless_there_is_one(stored).returning(Grant.id).cte("stored")
    link = _linking(provider, grant).returning(*ServiceConnection.__table__.c).cte("linked")
    told = audit.recorded(grant).cte("told")
    last = select(Grant.id).where(Grant.id == _GIVEN["id"]).subquery()
    return Steps(
        _unless_there_is_one(sqlite.insert(Grant).from_select(_NAMES, _NEW, include_defaults=False)),
        _linking(provider, last),
        audit.recorded(last),
        _links(Grant.__table__, ServiceConnection.__table__).where(Grant.id == _GIVEN["id"]),
        postgresql=_links(grant, link).add_cte(told),
    )


def _unless_there_is_one(stored: Any) -> Any:
    return stored.on_conflict_do_nothing(index_elements=["user_id", "provider"])


def _linking(provider: Provider, grant: FromClause) -> Insert:
    """Return what connects each service of this provider that is offered, where there is this grant."""
    own = or_(*(Service.name == service.name for service in provider.services))
    values = select(USER_ID, Service.id, grant.c.id, _GIVEN["authorized_at"], _GIVEN["token_at"])
    offered = values.select_from(join(Service, grant, true())).where(Service.enabled, own)
    return insert(ServiceConnection).from_select(_LINK, offered, include_defaults=False)


def _links(grant: FromClause, link: FromClause) -> Select[Any]:
    linked = outerjoin(grant, link, link.c.grant_id == grant.c.id)
    found = select(link.c.id, Service.id, Service.name, Service.display_name)
    return found.select_from(outerjoin(linked, Service, Service.id == link.c.service_id)).order_by(Service.id)


_STORING = {provider.name: _storing(provider) for provider in PROVIDERS}


def attach(
    user_id: int, provider: Provider, received: Received, told: str
) -> tuple[int, Grant, Links] | None:
    """Store the grant, connect its services; return the user's shown id, the grant and its links.

    None where there is no such user, or a grant: then nothing is changed. `told` is for the audit.
    """
    event = audit.values("connection.connect", user_id=user_id, target=provider.name, detail=told)
    with direct.transaction() as writing:
        user = writing.first(_USER, user_id=user_id)
        if user is None:
            return None
        shown_id, grant = user[0], _new(user[1], user_id, provider, received)
        rows = writing.end(_STORING[provider.name], **event | values_of(grant))
    links = [(row[0], grant.authorized_at, row[1:]) for row in rows if row[0] is not None]
    return (shown_id, grant, links) if rows else None


def _new(id: int, user_id: int, provider: Provider, received: Received) -> Grant:
    """Return a row with its id, to which its tokens are bound, before it is stored."""
    grant = Grant.of(
        id=id,
        user_id=user_id,
        provider=provider.name,
        incarnation=secrets.token_hex(16),
        generation=0,
        account_id=received.fresh.account_id,
        account_label=received.account_label,
        scopes_asked=list(received.scopes_asked),
    )
    keeping.keep(grant, received.fresh, consented=True)
    return grant
