"""The way to a provider, and the two pages on it: a link that asks before it goes on, and a confirmation."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, Response, make_response, render_template, request, session

from app.errors import TicketExpired
from app.extensions import settings
from app.oauth.outbound import Deadline
from app.services import flows, grants, sparing, tickets
from app.services.pending import Pending, Wish
from app.services.received import Received
from app.services.standing import Caller

from . import browser
from .headers import Ready, allow_form_to

blueprint = Blueprint("connect", __name__, url_prefix="/connect")


def send(url: str, *, status: int) -> Response:
    """Send the browser to an address that we have written, from settings and what needs no escape."""
    return Ready(b"", ("Location", url), status=status)


def send_to_provider(wish: Wish, *, status: int, caller: Caller | None = None) -> Response:
    """Begin a flow of this browser, and send it to its provider."""
    name = browser.for_flow(wish.provider)
    url, _ = flows.begin(wish, browser=name, caller=caller)
    browser.remember(wish.provider, name)
    return send(url, status=status)


def begin(wish: Wish, *, status: int, caller: Caller | None = None) -> Response:
    """Send this browser to the provider, by way of the host of ours that its callback comes back to.

    A caller who is given is confirmed with it.
    """
    home = browser.must_hop(flows.registration_for(wish).redirect_uri)
    if home is None:
        return send_to_provider(wish, status=status, caller=caller)
    ticket = tickets.issue(wish, straight_on=not settings.strict_connect, caller=caller)
    return send(f"{home}/connect/{ticket.secret}", status=status)


@blueprint.get("/<ticket>")
def ask(ticket: str) -> Response:
    """Say who would be connected to what. A ticket of our own hop goes straight on."""
    pending = tickets.look_at(ticket)
    if pending.straight_on:
        return send_to_provider(tickets.redeem(ticket).wish, status=302)
    page = render_template(
        "connect.html", pending=pending, proof=browser.proof(browser.of_session(), ticket), ticket=ticket
    )
    return allow_form_to(make_response(page), origin_of(pending.wish))


@blueprint.post("/<ticket>")
def go_on(ticket: str) -> Response:
    _check_proof(ticket)
    return send_to_provider(tickets.redeem(ticket).wish, status=303)


def ask_to_confirm(pending: Pending, received: Received, name: str) -> Response:
    """Ask the browser of this name whether the account should be tied to the user: it may know neither."""
    ticket = flows.hold(pending, received.to_bytes(), browser=name)
    page = render_template(
        "confirm.html",
        pending=pending,
        account=received.account_label,
        proof=browser.proof(name, ticket),
        ticket=ticket,
    )
    return allow_form_to(make_response(page))


@blueprint.post("/<ticket>/confirm")
def confirm(ticket: str) -> Response:
    pending, received = _take_held(ticket)
    grants.attach(pending.wish, received, Deadline())
    return _say(f"{pending.wish.provider.title} connected", f"It now belongs to {pending.username}.")


@blueprint.post("/<ticket>/decline")
def decline(ticket: str) -> Response:
    pending, received = _take_held(ticket)
    sparing.decline(pending.wish, received, Deadline())
    return _say("Nothing was connected", f"{pending.wish.provider.title} was not tied to {pending.username}.")


def _take_held(ticket: str) -> tuple[Pending, Received]:
    _check_proof(ticket)
    pending = flows.take_held(ticket, browser=session["browser"])
    return pending, sparing.held(pending)


def _check_proof(ticket: str) -> None:
    """Only the page that this very browser was shown leads on."""
    name = session.get("browser")
    if not name or request.form.get("proof") != browser.proof(name, ticket):
        raise TicketExpired


def _say(title: str, text: str) -> Response:
    return make_response(render_template("message.html", title=title, text=text))


def way_of(wish: Wish) -> list[str]:
    """Return the origins that `begin` leads through, for the page whose form calls it."""
    hop = browser.must_hop(flows.ready(wish.service).redirect_uri)
    return [origin for origin in (hop, origin_of(wish)) if origin]


def origin_of(wish: Wish) -> str:
    """Return the origin that this wish's flow leads to, for the page whose form begins it."""
    parts = urlsplit(flows.ready(wish.service).authorize_url)
    return f"{parts.scheme}://{parts.netloc}"
