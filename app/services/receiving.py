"""What a flow brings back: its code is exchanged, its account asked for; or it is refused, or declined."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

from sqlalchemy import select

from app.errors import OAuthFailed, TokenExchangeFailed
from app.extensions import db, outbound, vault
from app.models import Flow, Tokens, now
from app.oauth import exchange
from app.oauth.answers import Account, ProviderFailure, TokenAnswer, granted_scopes
from app.oauth.client import Client
from app.oauth.exchange import Identity
from app.oauth.outbound import Deadline
from app.oauth.provider import Binding
from app.oauth.registration import Registration
from app.oauth.revocation import Outcome
from app.providers import provider_named

from . import audit, revocations
from .flows import ready
from .pending import Pending, Stage, Wish


@dataclass(frozen=True, slots=True)
class Received:
    """What a provider gave for a code: whose tokens these are, and for what. Moments are ISO 8601."""

    account_id: str
    account_label: str
    former_ids: Sequence[str]
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: str | None
    refresh_expires_at: str | None
    scopes_asked: Sequence[str]
    scopes_granted: Sequence[str]

    @property
    def account(self) -> Account:
        return Account(self.account_id, self.account_label, tuple(self.former_ids))

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode("utf-8")

    @classmethod
    def from_bytes(cls, raw: bytes) -> Received:
        return cls(**json.loads(raw))


def receive(pending: Pending, *, code: str, deadline: Deadline) -> Received:
    """Exchange a flow's code and ask whose account it is. Holds no transaction.

    Raises OAuthFailed or TokenExchangeFailed with a sentence of our own; what was received by then is spared.
    """
    registration = ready(pending.wish.service)
    db.session.rollback()
    client = Client(registration, deadline)
    answer = _redeem(client, pending, code, deadline)
    try:
        answer, identity = outbound.within(deadline, lambda: _inquire(client, answer))
    except ProviderFailure as failure:
        refuse(pending.wish, failure.kind.name.lower())
        spare(pending.wish, Tokens(answer.access_token, answer.refresh_token), "", deadline)
        raise OAuthFailed(reason=failure.kind.value) from None
    return _received(registration, answer, identity)


def refuse(wish: Wish, why: str) -> None:
    """Note a flow that came back without a connection, and why in a word."""
    audit.record("connection.refused", user_id=wish.user_id, target=wish.provider.name, detail=why)
    db.session.commit()


def decline(wish: Wish, received: Received, deadline: Deadline) -> None:
    """Note that a user did not confirm the account, and spare what was received."""
    refuse(wish, "not confirmed")
    spare(wish, Tokens(received.access_token, received.refresh_token), received.account_id, deadline)


def spare(wish: Wish, tokens: Tokens, account_id: str, deadline: Deadline) -> None:
    """Deal with tokens that will not be stored: they end, unless a live row needs their grant.

    Ends the transaction under way. An `account_id` of "" is an account that could not be told.
    """
    queued = revocations.queue(
        wish.provider, user_id=wish.user_id, account_id=account_id, tokens=tokens, expires_at=None
    )
    audit.record("grant.spare", user_id=wish.user_id, target=f"{wish.provider.name}:{account_id}")
    db.session.commit()
    revocations.run([queued], deadline)


def queue_unconfirmed(user_id: int) -> list[Outcome | int]:
    """Queue the end of what this user never confirmed. Part of the transaction under way."""
    rows = select(Flow).where(Flow.user_id == user_id, Flow.stage == Stage.ANSWERED.value)
    queued = []
    for flow in db.session.scalars(rows).all():
        received = Received.from_bytes(flow.open(vault))
        tokens = Tokens(received.access_token, received.refresh_token)
        provider = provider_named(flow.provider)
        db.session.delete(flow)
        queued.append(
            revocations.queue(
                provider, user_id=user_id, account_id=received.account_id, tokens=tokens, expires_at=None
            )
        )
    return queued


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


def _received(registration: Registration, answer: TokenAnswer, identity: Identity) -> Received:
    answered_at, account = now(), identity.account
    return Received(
        account_id=account.id,
        account_label=account.label,
        former_ids=account.former_ids,
        access_token=answer.access_token,
        refresh_token=answer.refresh_token,
        expires_at=_text(answer.expires_at(answered_at)),
        refresh_expires_at=_text(answer.refresh_expires_at(answered_at)),
        scopes_asked=registration.scopes,
        scopes_granted=granted_scopes(registration, identity.scopes),
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
