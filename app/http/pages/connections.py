"""Connections: every service with its account and its health, and what can be done about it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.routing import BaseConverter, ValidationError
from werkzeug.wrappers import Response as AnyResponse

from app.errors import ServiceNotConnected, ServiceNotFound
from app.oauth.provider import ServiceDeclaration
from app.providers import SERVICES
from app.services import glances, services, status
from app.services.glances import Glance
from app.services.pending import Wish
from app.services.standing import Caller

from .. import browser, connect
from . import outcomes
from .showing import show
from .visiting import visiting

blueprint = Blueprint("connections", __name__, url_prefix="/connections")


class ServiceName(BaseConverter):
    """The name of a service in a path."""

    def to_python(self, value: str) -> ServiceDeclaration:
        found = next((service for service in SERVICES if service.name == value), None)
        if found is None:
            raise ValidationError
        return found

    def to_url(self, value: Any) -> str:
        return super().to_url(value.name)


@blueprint.get("")
@visiting()
def every(caller: Caller) -> Response:
    found = glances.every(user_id=caller.user_id)
    outcome = outcomes.of_flow(request.args, found)
    return show("connections.html", caller, area="connections", glances=found, outcome=outcome)


@blueprint.get("/<service:service>/connect")
@visiting("start")
def ask(caller: Caller, service: ServiceDeclaration) -> Response:
    """Begin where a page of ours has led here. Whoever comes from elsewhere is asked first."""
    wish = _wish(caller, service)
    if browser.came_from_here():
        return connect.begin(wish, status=302)
    way = connect.way_of(wish)
    return show("begin.html", caller, area="connections", title=wish.provider.title, form_to=way)


@blueprint.post("/<service:service>/connect")
@visiting("start")
def begin(caller: Caller, service: ServiceDeclaration) -> Response:
    return connect.begin(_wish(caller, service), status=303)


@blueprint.post("/<service:service>/test")
@visiting()
def test(caller: Caller, service: ServiceDeclaration) -> AnyResponse:
    tested = status.test(user_id=caller.user_id, service=service)
    flash(outcomes.of_test(tested, service), "good" if tested.works else "bad")
    return redirect(url_for(".every"), 303)


@blueprint.get("/<service:service>/disconnect")
@visiting()
def ask_to_disconnect(caller: Caller, service: ServiceDeclaration) -> Response:
    found = _connected(caller, service)
    return show("disconnect.html", caller, area="connections", glance=found)


@blueprint.post("/<service:service>/disconnect")
@visiting()
def disconnect(caller: Caller, service: ServiceDeclaration) -> AnyResponse:
    found = _connected(caller, service)
    outcome = services.disconnect(user_id=caller.user_id, service=service)
    flash(outcomes.of_end(outcome, found), "good")
    return redirect(url_for(".every"), 303)


def _connected(caller: Caller, service: ServiceDeclaration) -> Glance:
    found = glances.one(user_id=caller.user_id, service=service)
    if found is None:
        raise ServiceNotFound(service=service.display_name)
    if found.status is None:
        raise ServiceNotConnected(service=service.display_name)
    return found


def _wish(caller: Caller, service: ServiceDeclaration) -> Wish:
    """Return what a link of ours asks for. Its end leads back to the list, at the host that it began at."""
    return Wish(
        caller.user_id,
        service,
        return_to=browser.here() + url_for(".every", service=service.name),
        replace=request.args.get("replace") == "true",
        missing_only=request.args.get("scopes") == "missing",
        judged=True,
    )
