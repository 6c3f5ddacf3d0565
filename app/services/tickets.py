"""Tickets: a wish that a browser brings, once, instead of a token in its URL."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select

from app.errors import TicketExpired
from app.extensions import db, reading
from app.models import Flow, now
from app.oauth.flow import fingerprint, new_secret

from .flows import check_return_to, ready
from .pending import LIFE, Pending, Stage, Wish, new_row, seen, take

HOP_LIFE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Ticket:
    secret: str = field(repr=False)
    expires_at: datetime


def issue(wish: Wish, *, straight_on: bool) -> Ticket:
    """Store a wish that a browser will bring; it asks its user first unless it goes straight on."""
    check_return_to(wish)
    ready(wish.service)
    secret = new_secret()
    flow = new_row(wish, Stage.TICKET, key=secret, life=HOP_LIFE if straight_on else LIFE)
    flow.straight_on = straight_on
    db.session.add(flow)
    ticket = Ticket(secret, flow.expires_at)
    db.session.commit()
    return ticket


def look_at(secret: str) -> Pending:
    """Return what a ticket stands for, and leave it usable. Raises TicketExpired."""
    reading()
    flow = db.session.scalar(
        select(Flow).where(
            Flow.key == fingerprint(secret), Flow.stage == Stage.TICKET.value, Flow.expires_at > now()
        )
    )
    pending = None if flow is None else seen(flow)
    db.session.rollback()  # whoever redeems it next must not go by what is read here
    if pending is None:
        raise TicketExpired
    return pending


def redeem(secret: str) -> Pending:
    """Return what a ticket stands for, once. Raises TicketExpired."""
    pending = take(Stage.TICKET, key=secret)
    if pending is None:
        raise TicketExpired
    return pending
