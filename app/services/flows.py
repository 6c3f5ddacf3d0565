"""Flows: begun for a browser or for none, brought back once by their state, held until confirmed."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import String, bindparam, select

from app.errors import (
    ReturnToNotAllowed,
    ServiceNotConfigured,
    ServiceNotFound,
    TicketExpired,
    TokenInvalid,
)
from app.extensions import db, direct, registrations, settings, vault
from app.models import Flow, Grant, Service
from app.models.direct import Statement, columns_of, made
from app.oauth.flow import CallbackParameters, authorize_url, fingerprint, new_secret
from app.oauth.provider import Provider, ServiceDeclaration
from app.oauth.registration import Registration
from app.providers import provider_of

from . import beginning, health, standing
from .pending import LIFE, Found, Pending, Stage, Wish, find, new_row, take
from .standing import Caller

_ADDRESS = re.compile(r"(?P<origin>https?://[^/?#\\@\s]+)(?:[/?#][\x21-\x5b\x5d-\x7e]*)?", re.ASCII)

_OFFERED = Statement(
    select(Service.id).where(Service.name == bindparam("name", type_=String()), Service.enabled)
)
_GRANT = Statement(
    select(*columns_of(Grant)).where(
        Grant.user_id == standing.USER_ID, Grant.provider == bindparam("provider", type_=String())
    )
)


def ready(service: ServiceDeclaration) -> Registration:
    """Return the registration that connects this service. Raises ServiceNotFound, ServiceNotConfigured."""
    offered(service)
    return registration_of(service)


def offered(service: ServiceDeclaration) -> None:
    """Return where operators offer this service. Raises ServiceNotFound."""
    if not direct.all(_OFFERED, name=service.name):
        raise ServiceNotFound(service=service.display_name)


def registration_of(service: ServiceDeclaration) -> Registration:
    """Return how this service is connected, offered or not. Raises ServiceNotConfigured."""
    registration = registrations[provider_of(service).name]
    if registration is None:
        raise ServiceNotConfigured(service=service.display_name)
    return registration


def registration_for(wish: Wish) -> Registration:
    """Return how a wish is fulfilled. Whether its service is offered is asked by what stores its flow.

    It is asked here where something else is wrong, for that comes after it: ServiceNotFound,
    ServiceNotConfigured, ReturnToNotAllowed.
    """
    try:
        registration = registration_of(wish.service)
        check_return_to(wish)
    except (ServiceNotConfigured, ReturnToNotAllowed):
        offered(wish.service)
        raise
    return registration


def check_return_to(wish: Wish) -> None:
    """Raise ReturnToNotAllowed unless the address has an origin of RETURN_TO_ORIGINS, letter by letter."""
    if wish.return_to is None or wish.judged:
        return
    parsed = _ADDRESS.fullmatch(wish.return_to)
    if parsed is None or parsed["origin"] not in settings.return_to_origins:
        raise ReturnToNotAllowed


def begin(wish: Wish, *, browser: str | None, caller: Caller | None = None) -> tuple[str, datetime]:
    """Store a pending flow; return the authorization URL and when the flow ends.

    `browser` is the name of the browser that the callback must come from; None makes an unbound flow.
    Raises ServiceNotFound, ServiceNotConfigured, ReturnToNotAllowed; TokenInvalid where the caller stands no
    longer, or the user is gone.
    """
    registration = registration_for(wish)
    state, verifier, difference = new_secret(), new_secret(), _difference(wish)
    flow = new_row(wish, Stage.ASKED, key=state, life=LIFE)
    flow.browser = browser and fingerprint(browser)
    flow.redirect_uri = registration.redirect_uri
    flow.seal(vault, verifier.encode())
    store(flow, wish.service, caller)
    url = authorize_url(registration, state=state, verifier=verifier, difference=difference)
    return url, flow.expires_at


def store(flow: Flow, service: ServiceDeclaration, caller: Caller | None) -> None:
    """Store a flow of this service, or find out why it may not be. Raises TokenInvalid, ServiceNotFound."""
    if beginning.stored(flow, caller):
        return
    if caller is not None:
        standing.confirm(caller)
    offered(service)
    raise TokenInvalid


def _difference(wish: Wish) -> tuple[str, ...]:
    """Return the scopes that this wish asks for alone; none: all that are documented."""
    if not wish.missing_only or wish.provider.difference_params is None:
        return ()
    found = direct.first(_GRANT, user_id=wish.user_id, provider=wish.provider.name)
    return () if found is None else health.missing_of(made(Grant, found))


def recognize(provider: Provider | None, parameters: CallbackParameters) -> Found | None:
    """Return the flow that a callback may bring back: of this provider, or of any where None; None: no flow.

    The callback's `iss` must be that provider's.
    """
    if parameters.state is None:
        return None
    found = find(Stage.ASKED, key=parameters.state)
    registration = None if found is None else registrations.get(found.flow.provider)
    if registration is None or not parameters.issued_by(registration):
        return None
    return found if provider in (None, registration.provider) else None


def claim(found: Found, browsers: Collection[str]) -> Pending | None:
    """Take the flow that a recognized callback brings back, begun by one of these browsers or by none.

    None leaves every flow as it is. Many at once with one state: one gets it.
    """
    return take(found, browsers=browsers, or_unbound=not settings.strict_connect)


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
    pending = take(find(Stage.ANSWERED, key=secret), browsers=[browser])
    if pending is None:
        raise TicketExpired
    return pending
