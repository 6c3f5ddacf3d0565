"""What a flow brings back: its code is exchanged, its account asked for; or it is refused, or declined."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from sqlalchemy import select

from app.errors import OAuthFailed, TicketExpired, TokenExchangeFailed
from app.extensions import db, outbound, vault
from app.models import Flow, Grant, Reading, Tokens, clock
from app.oauth import exchange
from app.oauth.answers import Account, ProviderFailure, TokenAnswer, granted_scopes
from app.oauth.client import Client
from app.oauth.exchange import Identity
from app.oauth.outbound import Deadline
from app.oauth.provider import Binding
from app.oauth.registration import Registration
from app.oauth.revocation import Outcome
from app.vault import SealBroken

from . import audit, ending, revocations
from .flows import ready
from .keeping import Fresh
from .pending import Pending, Stage, Wish


@dataclass(frozen=True, slots=True)
class Received:
    """What a provider gave for a code: tokens, whose account they are for, and what was asked for."""

    fresh: Fresh
    account_label: str
    former_ids: Sequence[str]
    scopes_asked: Sequence[str]
    reconnects: str | None = None  # the incarnation of the grant that was there when the code came

    @property
    def account(self) -> Account:
        return Account(self.fresh.account_id, self.account_label, tuple(self.former_ids))

    def to_bytes(self) -> bytes:
        """Return what is held until the user confirms it, which is then a wish of its own time."""
        kept = {**asdict(self), "fresh": self.fresh.to_document(), "reconnects": None}
        return json.dumps(kept).encode("utf-8")

    @classmethod
    def from_bytes(cls, raw: bytes) -> Received:
        stored = json.loads(raw)
        if "fresh" not in stored:
            raise SealBroken("of another release")
        return cls(**{**stored, "fresh": Fresh.from_document(stored["fresh"])})


def receive(pending: Pending, *, code: str, deadline: Deadline) -> Received:
    """Exchange a flow's code and ask whose account it is. Holds no transaction.

    Raises OAuthFailed or TokenExchangeFailed with a sentence of our own; what was received by then is spared.
    """
    registration = ready(pending.wish.service)
    reconnects, reading = _before(pending.wish)
    db.session.rollback()
    client = Client(registration, deadline)
    answer = _redeem(client, pending, code, deadline)
    answered_at = reading.now()
    try:
        answer, identity = outbound.within(deadline, lambda: _inquire(client, answer))
    except ProviderFailure as failure:
        refuse(pending.wish, failure.kind.name.lower())
        spare(pending.wish, Tokens(answer.access_token, answer.refresh_token), "", deadline)
        raise OAuthFailed(reason=failure.kind.value) from None
    received = _received(pending.wish, registration, answer, identity, answered_at)
    return replace(received, reconnects=reconnects)


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
    late = select(Flow).where(Flow.stage == Stage.ANSWERED.value, Flow.expires_at <= clock())
    flow = db.session.scalar(late.limit(1).with_for_update(skip_locked=True))
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


def _before(wish: Wish) -> tuple[str | None, Reading]:
    """Return which grant is there before the code is exchanged, and what the database's clock says."""
    mine = select(Grant.incarnation).where(
        Grant.user_id == wish.user_id, Grant.provider == wish.provider.name
    )
    incarnation, at = db.session.execute(select(mine.scalar_subquery(), clock())).one()
    return incarnation, Reading(at)


def _redeem(client: Client, pending: Pending, code: str, deadline: Deadline) -> TokenAnswer:
    verifier, redirect_uri = pending.secret.decode(), pending.redirect_uri
    try:
        return outbound.within(
            deadline,
            lambda: exchange.redeem(client, code=code, verifier=verifier, redirect_uri=redirect_uri),
        )
    except ProviderFailure as failure:
        refuse(pending.wish, failure.kind.name.lower())
        by_state = client.provider.binding is Binding.COOKIE
        raise (TokenExchangeFailed if by_state else OAuthFailed)(reason=failure.kind.value) from None


def _inquire(client: Client, answer: TokenAnswer) -> tuple[TokenAnswer, Identity]:
    answer = exchange.lengthen(client, answer)
    return answer, exchange.identify(client, answer)


def _received(
    wish: Wish, registration: Registration, answer: TokenAnswer, identity: Identity, at: datetime
) -> Received:
    account = identity.account
    fresh = Fresh(
        user_id=wish.user_id,
        provider=wish.provider.name,
        account_id=account.id,
        access_token=answer.access_token,
        refresh_token=answer.refresh_token,
        at=at,
        expires_at=answer.expires_at(at),
        refresh_expires_at=answer.refresh_expires_at(at),
        scopes_granted=granted_scopes(registration, identity.scopes),
    )
    return Received(fresh, account.label, account.former_ids, registration.scopes)
