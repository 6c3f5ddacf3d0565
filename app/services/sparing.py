"""What a flow brings back and nobody will have: refused, declined, never confirmed, or not to be stored."""

from __future__ import annotations

from sqlalchemy import select

from app.errors import TicketExpired
from app.extensions import db, vault
from app.models import Flow, Tokens, moment
from app.oauth.outbound import Deadline
from app.oauth.revocation import Outcome
from app.vault import SealBroken

from . import audit, ending, revocations
from .pending import Pending, Stage, Wish
from .received import Received


def held(pending: Pending) -> Received:
    """Return what was held until its user's word. Raises TicketExpired where it can no longer be read."""
    try:
        return Received.from_bytes(pending.secret)
    except SealBroken:
        raise TicketExpired from None


def refuse(wish: Wish, why: str) -> None:
    """Note a flow that came back without a connection, and why in a word."""
    audit.record("connection.refused", user_id=wish.user_id, target=wish.provider.name, detail=why)
    db.session.commit()


def decline(wish: Wish, received: Received, deadline: Deadline) -> None:
    """Note that a user did not confirm the account, and spare what was received."""
    refuse(wish, "not confirmed")
    spare(wish, received.fresh.tokens, received.fresh.account_id, deadline)


def spare(wish: Wish, tokens: Tokens, account_id: str, deadline: Deadline) -> None:
    """Deal with tokens that will not be stored: they end, unless a live row needs their grant.

    Ends the transaction under way. An `account_id` of "" is an account that could not be told.
    """
    queued = revocations.queue(
        wish.provider, user_id=wish.user_id, account_id=account_id, tokens=tokens, expires_at=None
    )
    audit.record("grant.spare", user_id=wish.user_id, target=f"{wish.provider.name}:{account_id}")
    db.session.commit()
    ending.run([queued], deadline)


def queue_unconfirmed(user_id: int) -> list[Outcome | int]:
    """Queue the end of what this user never confirmed. Part of the transaction under way."""
    mine = select(Flow).where(Flow.user_id == user_id, Flow.stage == Stage.ANSWERED.value)
    return [_queue(flow) for flow in db.session.scalars(mine).all()]


def end_next_unconfirmed() -> bool:
    """End one answer that nobody confirmed in time; tell whether there was one."""
    late = select(Flow).where(Flow.stage == Stage.ANSWERED.value, Flow.expires_at <= moment())
    flow = db.session.scalar(late.order_by(Flow.expires_at).limit(1).with_for_update(skip_locked=True))
    queued = [] if flow is None else [_queue(flow)]
    db.session.commit()
    ending.run(queued)
    return bool(queued)


def _queue(flow: Flow) -> Outcome | int:
    """Take an unconfirmed answer away and queue its end."""
    db.session.delete(flow)
    try:
        received = Received.from_bytes(flow.open(vault))
    except SealBroken:
        return Outcome.UNSUPPORTED
    audit.record("grant.spare", user_id=flow.user_id, target=f"{flow.provider}:{received.fresh.account_id}")
    return revocations.queue_fresh(received.fresh)
