"""Start, authorize, callback, disconnect. One blueprint per provider, from one function."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from app.oauth.provider import Provider, ServiceDeclaration
from app.schemas.services import (
    AuthorizedSchema,
    AuthorizeSchema,
    DisconnectedSchema,
    LiveTokenSchema,
    StartQuerySchema,
    StatusSchema,
    TestedSchema,
    TokenQuerySchema,
)
from app.services import flows, services, status, tickets, tokens
from app.services.pending import Wish
from app.services.service_keys import Scope
from app.services.standing import Caller

from . import browser, callback, connect
from .caller import authenticated, starting
from .marks import View
from .wire import reads, reads_query, writes


def blueprint_for(provider: Provider) -> Blueprint:
    """Return the routes of one provider: those of each of its services, and the one callback."""
    blueprint = Blueprint(provider.name, __name__, url_prefix="/api/connections")
    for service in provider.services:
        path, name = f"/{service.name}", service.name
        blueprint.add_url_rule(path, f"{name}_start", _start(service), methods=["GET", "POST"])
        blueprint.add_url_rule(path, f"{name}_disconnect", _disconnect(service), methods=["DELETE"])
        blueprint.add_url_rule(
            f"{path}/authorize", f"{name}_authorize", _authorize(service), methods=["POST"]
        )
        blueprint.add_url_rule(f"{path}/token", f"{name}_token", _token(service))
        blueprint.add_url_rule(f"{path}/status", f"{name}_status", _status(service))
        blueprint.add_url_rule(f"{path}/test", f"{name}_test", _test(service), methods=["POST"])
    blueprint.add_url_rule(f"/{provider.service.name}/callback", "callback", callback.view_for(provider))
    return blueprint


def _start(service: ServiceDeclaration) -> View:
    @starting
    @reads_query(StartQuerySchema)
    def start(caller: Caller, query: dict[str, Any]) -> Response:
        return connect.begin(Wish(caller.user_id, service, **query), status=302, caller=caller)

    return start


def _authorize(service: ServiceDeclaration) -> View:
    @authenticated(Scope.WRITE, limit="start", confirms=True)
    @reads(AuthorizeSchema, optional=True)
    @writes(AuthorizedSchema)
    def authorize(caller: Caller, body: dict[str, Any]) -> Any:
        wish = Wish(caller.user_id, service, **body)
        ticket = tickets.issue(wish, straight_on=False, caller=caller)
        name = browser.for_flow(wish.provider)
        url, expires_at = flows.begin(wish, browser=name, caller=caller)
        browser.remember(wish.provider, name)
        connect_url = (
            f"{browser.home_of(flows.registration_of(service).redirect_uri)}/connect/{ticket.secret}"
        )
        return {"authorize_url": url, "connect_url": connect_url, "expires_at": expires_at}

    return authorize


def _token(service: ServiceDeclaration) -> View:
    @authenticated(Scope.READ_SECRETS, confirms=True)
    @reads_query(TokenQuerySchema)
    @writes(LiveTokenSchema)
    def token(caller: Caller, query: dict[str, Any]) -> Any:
        return tokens.live(caller=caller, service=service, **query)

    return token


def _status(service: ServiceDeclaration) -> View:
    @authenticated(Scope.READ_METADATA)
    @writes(StatusSchema)
    def show(caller: Caller) -> Any:
        return status.status(user_id=caller.user_id, service=service)

    return show


def _test(service: ServiceDeclaration) -> View:
    @authenticated(Scope.READ_METADATA)
    @writes(TestedSchema)
    def test(caller: Caller) -> Any:
        return status.test(user_id=caller.user_id, service=service)

    return test


def _disconnect(service: ServiceDeclaration) -> View:
    @authenticated(Scope.WRITE)
    @writes(DisconnectedSchema)
    def disconnect(caller: Caller) -> Any:
        outcome = services.disconnect(user_id=caller.user_id, service=service)
        return {"message": f"{service.display_name} disconnected successfully", "revocation": outcome.value}

    return disconnect
