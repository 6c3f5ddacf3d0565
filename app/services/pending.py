"""Pending flows as rows: what was wished, at which stage it is, and how it is taken back once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from sqlalchemy import String, and_, bindparam, delete, exists, select

from app.extensions import direct, vault
from app.models import Flow, User, now
from app.models.direct import Statement, columns_of, made, relaxing
from app.oauth.flow import fingerprint
from app.oauth.provider import Provider, ServiceDeclaration
from app.providers import provider_named, provider_of, service_named
from app.vault import SealBroken

from . import alarm

LIFE = timedelta(minutes=10)

_WAITS = and_(
    Flow.key == bindparam("key", type_=String()),
    Flow.stage == bindparam("stage", type_=String()),
    Flow.expires_at > bindparam("at", type_=Flow.expires_at.type),
)
_MAY = and_(User.id == Flow.user_id, User.disabled_at.is_(None))
_FIND = Statement(select(*columns_of(Flow), User.username).join(User, _MAY).where(_WAITS))
_TAKEN = delete(Flow).where(_WAITS, exists().where(_MAY))
_TAKE = Statement(_TAKEN.returning(Flow.key), postgresql=_TAKEN.returning(relaxing()))


class Stage(Enum):
    TICKET = "ticket"
    ASKED = "asked"
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a start asks for: this service for this user, and where to go afterwards.

    `judged` tells that `return_to` is an address of ours, or was judged before it was stored.
    """

    user_id: int
    service: ServiceDeclaration
    return_to: str | None = None
    replace: bool = False
    missing_only: bool = False  # ask for the scopes that were not granted
    judged: bool = False

    @property
    def provider(self) -> Provider:
        return provider_of(self.service)


@dataclass(frozen=True, slots=True)
class Pending:
    """A flow that was brought back, and is no longer stored. `secret` is the verifier or the answer."""

    wish: Wish
    username: str
    bound: bool
    straight_on: bool
    redirect_uri: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Found:
    """A flow as it is stored, and its user's name."""

    flow: Flow
    username: str

    @property
    def provider(self) -> Provider:
        return provider_named(self.flow.provider)


def new_row(wish: Wish, stage: Stage, *, key: str, life: timedelta, straight_on: bool = False) -> Flow:
    begins = now()
    return Flow.of(
        key=fingerprint(key),
        stage=stage.value,
        provider=wish.provider.name,
        service=wish.service.name,
        user_id=wish.user_id,
        return_to=wish.return_to,
        replace=wish.replace,
        missing_only=wish.missing_only,
        straight_on=straight_on,
        created_at=begins,
        expires_at=begins + life,
    )


def find(stage: Stage, *, key: str) -> Found | None:
    """Return a flow and leave it as it is; None where its user was shut out meanwhile, too."""
    found = direct.first(_FIND, key=fingerprint(key), stage=stage.value, at=now())
    return None if found is None else Found(made(Flow, found[:-1]), found[-1])


def take(
    found: Found | None, *, browsers: Collection[str] | None = None, or_unbound: bool = False
) -> Pending | None:
    """Delete a flow that was found, and return it: whoever deletes the row has it, and nobody else.

    What cannot be had is left as it is: what it holds, if anything, is dealt with when it ends.
    """
    if found is None or not (browsers is None or _is_of(found.flow, browsers, or_unbound)):
        return None
    pending = seen(found)
    if pending is None or not _deleted(found.flow):
        return None
    return pending


def _deleted(flow: Flow) -> bool:
    """Tell whether it was us who deleted this flow.

    Where its code is exchanged next, the disk is not waited for: should it come back with a machine that
    fails, the provider still takes its code only once.
    """
    forced = flow.stage != Stage.ASKED.value
    return bool(direct.write(_TAKE, forced=forced, key=flow.key, stage=flow.stage, at=now()))


def _is_of(flow: Flow, browsers: Collection[str], or_unbound: bool) -> bool:
    if flow.browser is None:
        return or_unbound
    return flow.browser in [fingerprint(browser) for browser in browsers]


def seen(found: Found) -> Pending | None:
    """Read a flow; None where its seal does not open. Who takes it next must not go by what is read here."""
    flow = found.flow
    try:
        secret = flow.open(vault) if flow.sealed else b""
    except SealBroken:
        alarm.does_not_open("flows", flow.key[:8])
        return None
    return Pending(
        wish=Wish(
            flow.user_id,
            service_named(flow.service),
            flow.return_to,
            flow.replace,
            flow.missing_only,
            judged=True,
        ),
        username=found.username,
        bound=flow.browser is not None,
        straight_on=flow.straight_on,
        redirect_uri=flow.redirect_uri or "",
        secret=secret,
    )
