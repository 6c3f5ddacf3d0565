"""Flows: begun for a browser or for none, brought back once by their state, held until confirmed."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, select

from app.errors import ReturnToNotAllowed, ServiceNotConfigured, ServiceNotFound, TicketExpired
from app.extensions import db, reading, registrations, settings, vault
from app.models import Flow, Grant, Service, now
from app.oauth.flow import CallbackParameters, authorize_url, fingerprint, new_secret
from app.oauth.provider import Provider, ServiceDeclaration
from app.oauth.registration import Registration
from app.providers import provider_of

from . import health
from .pending import LIFE, Pending, Stage, Wish, new_row, take

MOST_PER_BROWSER = 10

_ADDRESS = re.compile(r"(?P<origin>https?://[^/?#\\@\s]+)(?:[/?#][\x21-\x5b\x5d-\x7e]*)?", re.ASCII)


def ready(service: ServiceDeclaration) -> Registration:
    """Return the registration that connects this service. Raises ServiceNotFound, ServiceNotConfigured."""
    offered(service)
    registration = registrations[provider_of(service).name]
    if registration is None:
        raise ServiceNotConfigured(service=service.display_name)
    return registration


def offered(service: ServiceDeclaration) -> None:
    """Return where operators offer this service. Raises ServiceNotFound."""
    row = db.session.scalar(select(Service.enabled).where(Service.name == service.name))
    if not row:
        raise ServiceNotFound(service=service.display_name)


def check_return_to(wish: Wish) -> None:
    """Raise ReturnToNotAllowed unless the address has an origin of RETURN_TO_ORIGINS, letter by letter."""
    if wish.return_to is None or wish.judged:
        return
    parsed = _ADDRESS.fullmatch(wish.return_to)
    if parsed is None or parsed["origin"] not in settings.return_to_origins:
        raise ReturnToNotAllowed


def begin(wish: Wish, *, browser: str | None) -> tuple[str, datetime]:
    """Store a pending flow; return the authorization URL and when the flow ends.

    `browser` is the name of the browser that the callback must come from; None makes an unbound flow.
    Raises ServiceNotFound, ServiceNotConfigured, ReturnToNotAllowed.
    """
    check_return_to(wish)
    registration = ready(wish.service)
    state, verifier, difference = new_secret(), new_secret(), _difference(wish)
    flow = new_row(wish, Stage.ASKED, key=state, life=LIFE)
    flow.browser = browser and fingerprint(browser)
    flow.redirect_uri = registration.redirect_uri
    flow.seal(vault, verifier.encode())
    _forget_older(flow)
    db.session.add(flow)
    expires_at = flow.expires_at
    db.session.commit()
    url = authorize_url(registration, state=state, verifier=verifier, difference=difference)
    return url, expires_at


def _difference(wish: Wish) -> tuple[str, ...]:
    """Return the scopes that this wish asks for alone; none: all that are documented."""
    if not wish.missing_only or wish.provider.difference_params is None:
        return ()
    mine = select(Grant).where(Grant.user_id == wish.user_id, Grant.provider == wish.provider.name)
    grant = db.session.scalar(mine)
    return () if grant is None else health.missing_of(grant)


def recognize(provider: Provider | None, parameters: CallbackParameters) -> Provider | None:
    """Return whose flow a callback may bring back: this provider's, or any's where None; None: no flow's.

    The callback's `iss` must be that provider's.
    """
    if parameters.state is None:
        return None
    reading()
    name = db.session.scalar(select(Flow.provider).where(Flow.key == fingerprint(parameters.state)))
    db.session.rollback()
    registration = registrations.get(name) if name else None
    if registration is None or not parameters.issued_by(registration):
        return None
    return registration.provider if provider in (None, registration.provider) else None


def claim(parameters: CallbackParameters, browsers: Collection[str]) -> Pending | None:
    """Take the flow that a recognized callback brings back, begun by one of these browsers or by none.

    None leaves every flow as it is. Many at once with one state: one gets it.
    """
    state = parameters.state or ""
    return take(Stage.ASKED, key=state, browsers=browsers, or_unbound=not settings.strict_connect)


def hold(pending: Pending, answer: bytes, *, browser: str) -> str:
    """Store what an unbound flow's provider answered until this browser confirms it; return the ticket."""
    secret = new_secret()
    flow = new_row(pending.wish, Stage.ANSWERED, key=secret, life=LIFE)
    flow.browser = fingerprint(browser)
    flow.seal(vault, answer)
    db.session.add(flow)
    db.session.commit()
    return secret


def take_held(secret: str, *, browser: str) -> Pending:
    """Return what was held, once, to the browser that it was held for. Raises TicketExpired."""
    pending = take(Stage.ANSWERED, key=secret, browsers=[browser])
    if pending is None:
        raise TicketExpired
    return pending


def _forget_older(flow: Flow) -> None:
    """Keep a browser to ten pending flows, and a user's ended ones out of the way."""
    ended = delete(Flow).where(
        Flow.user_id == flow.user_id, Flow.stage != Stage.ANSWERED.value, Flow.expires_at <= now()
    )
    db.session.execute(ended)
    if flow.browser is None:
        return
    mine = select(Flow.key).where(Flow.browser == flow.browser, Flow.stage == Stage.ASKED.value)
    older = db.session.scalars(mine.order_by(Flow.created_at.desc()).offset(MOST_PER_BROWSER - 1)).all()
    db.session.execute(delete(Flow).where(Flow.key.in_(older)))
