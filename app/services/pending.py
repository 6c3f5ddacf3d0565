"""Pending flows as rows: what was wished, at which stage it is, and how it is taken back once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from sqlalchemy import delete, or_, select

from app.extensions import db, vault
from app.models import Flow, User, now
from app.oauth.flow import fingerprint
from app.oauth.provider import Provider, ServiceDeclaration
from app.providers import provider_of, service_named
from app.vault import SealBroken

from . import alarm

LIFE = timedelta(minutes=10)


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


def new_row(wish: Wish, stage: Stage, *, key: str, life: timedelta) -> Flow:
    return Flow(
        key=fingerprint(key),
        stage=stage.value,
        provider=wish.provider.name,
        service=wish.service.name,
        user_id=wish.user_id,
        return_to=wish.return_to,
        replace=wish.replace,
        missing_only=wish.missing_only,
        expires_at=now() + life,
    )


def take(
    stage: Stage, *, key: str, browsers: Collection[str] | None = None, or_unbound: bool = False
) -> Pending | None:
    """Delete the flow and return it: whoever deletes the row has it, and nobody else."""
    taken = delete(Flow).where(
        Flow.key == fingerprint(key), Flow.stage == stage.value, Flow.expires_at > now()
    )
    if browsers is not None:
        mine = Flow.browser.in_([fingerprint(browser) for browser in browsers])
        taken = taken.where(or_(mine, Flow.browser.is_(None)) if or_unbound else mine)
    flow = db.session.scalar(taken.returning(Flow).execution_options(synchronize_session=False))
    pending = None if flow is None else seen(flow)
    if pending is None:
        db.session.rollback()  # what it holds, if anything, is dealt with when it ends
    else:
        db.session.commit()
    return pending


def seen(flow: Flow) -> Pending | None:
    """Read a row; None where its user was shut out meanwhile, or its seal does not open."""
    username = db.session.scalar(
        select(User.username).where(User.id == flow.user_id, User.disabled_at.is_(None))
    )
    try:
        secret = flow.open(vault) if flow.sealed else b""
    except SealBroken:
        alarm.does_not_open("flows", flow.key[:8])
        return None
    if username is None:
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
        username=username,
        bound=flow.browser is not None,
        straight_on=flow.straight_on,
        redirect_uri=flow.redirect_uri or "",
        secret=secret,
    )
