"""Tickets: a wish that a browser brings, once, instead of a token in its URL."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.errors import TicketExpired
from app.oauth.flow import new_secret

from . import pending
from .flows import check_return_to, registration_for, store
from .pending import LIFE, Pending, Stage, Wish, new_row
from .standing import Caller

HOP_LIFE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Ticket:
    secret: str = field(repr=False)
    expires_at: datetime


def issue(wish: Wish, *, straight_on: bool, caller: Caller | None = None) -> Ticket:
    """Store a wish that a browser will bring; it asks its user first unless it goes straight on.

    Raises ReturnToNotAllowed, ServiceNotFound, ServiceNotConfigured; TokenInvalid where the caller is given
    and stands no longer.
    """
    check_return_to(wish)
    registration_for(wish)
    secret, life = new_secret(), HOP_LIFE if straight_on else LIFE
    flow = new_row(wish, Stage.TICKET, key=secret, life=life, straight_on=straight_on)
    store(flow, wish.service, caller)
    return Ticket(secret, flow.expires_at)


def look_at(secret: str) -> Pending:
    """Return what a ticket stands for, and leave it usable. Raises TicketExpired."""
    found = pending.find(Stage.TICKET, key=secret)
    seen = None if found is None else pending.seen(found)
    if seen is None:
        raise TicketExpired
    return seen


def redeem(secret: str) -> Pending:
    """Return what a ticket stands for, once. Raises TicketExpired."""
    found = pending.take(pending.find(Stage.TICKET, key=secret))
    if found is None:
        raise TicketExpired
    return found
