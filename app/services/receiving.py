"""What a flow brings back: its code is exchanged, and it is asked whose account the tokens are for."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from sqlalchemy import String, bindparam, exists, select

from app.errors import LatchkeyError, OAuthFailed, ServiceNotFound, TokenExchangeFailed
from app.extensions import direct, let_go, spool
from app.models import Grant, Reading, Service, Tokens, clock
from app.models.direct import Statement
from app.oauth import exchange
from app.oauth.answers import Failure, ProviderFailure, TokenAnswer, granted_scopes
from app.oauth.client import Client
from app.oauth.exchange import Identity
from app.oauth.outbound import Deadline
from app.oauth.provider import Binding, Provider
from app.oauth.registration import Registration
from app.spool import Entry, Place, Slot

from . import spooled
from .flows import registration_of
from .keeping import Fresh
from .pending import Pending, Wish
from .received import Received
from .sparing import refuse, spare
from .standing import USER_ID

log = logging.getLogger(__name__)

_BEFORE = Statement(
    select(
        exists().where(Service.name == bindparam("service", type_=String()), Service.enabled),
        select(Grant.incarnation)
        .where(Grant.user_id == USER_ID, Grant.provider == bindparam("provider", type_=String()))
        .scalar_subquery(),
        clock(),
    )
)


@contextmanager
def receiving(pending: Pending, *, code: str, deadline: Deadline) -> Iterator[Received]:
    """Exchange a flow's code, ask whose account it is, and give what was received to the block to store.

    Until the block has ended, or has refused in a word of ours, the tokens are on this node's disk too: where
    neither comes to pass, the spool's replay ends them. Holds no transaction. Raises OAuthFailed or
    TokenExchangeFailed with a sentence of our own; what was received by then is spared.
    """
    let_go()
    registration, reconnects, reading = _before(pending.wish)
    client = Client(registration, deadline)
    with _room(client.provider) as slot:
        answer = _redeem(client, pending, code)
        first = _fresh(pending.wish, answer, reading.now())
        entry = spooled.put(slot, Place.of_no_row(), first)
        with _forgetting(entry):
            identity, answer = _identified(pending.wish, client, answer, deadline)
            received = _received(registration, _fresh(pending.wish, answer, first.at), identity)
            yield replace(received, reconnects=reconnects)


def _before(wish: Wish) -> tuple[Registration, str | None, Reading]:
    """Return how the code is exchanged, which grant is there before it, and what the database's clock says.

    Raises ServiceNotFound, ServiceNotConfigured.
    """
    [(is_offered, incarnation, at)] = direct.all(
        _BEFORE, user_id=wish.user_id, provider=wish.provider.name, service=wish.service.name
    )
    if not is_offered:
        raise ServiceNotFound(service=wish.service.display_name)
    return registration_of(wish.service), incarnation, Reading(at)


def _room(provider: Provider) -> Slot:
    """Set room aside for the answer, while a full disk harms nothing yet."""
    try:
        return spool.reserve()
    except OSError as error:
        log.critical("SPOOL_DIR: nothing can be kept there (%s)", type(error).__name__)
        raise _failed(provider, Failure.NOT_READY) from None


@contextmanager
def _forgetting(entry: Entry | None) -> Iterator[None]:
    """Drop the entry when the block has decided what becomes of it, by its end or by a word of ours."""
    try:
        yield
    except LatchkeyError:
        if entry is not None:
            entry.drop()
        raise
    if entry is not None:
        entry.drop()


def _redeem(client: Client, pending: Pending, code: str) -> TokenAnswer:
    verifier, redirect_uri = pending.secret.decode(), pending.redirect_uri
    try:
        return exchange.redeem(client, code=code, verifier=verifier, redirect_uri=redirect_uri)
    except ProviderFailure as failure:
        refuse(pending.wish, failure.kind.name.lower())
        raise _failed(client.provider, failure.kind) from None


def _failed(provider: Provider, why: Failure) -> LatchkeyError:
    by_state = provider.binding is Binding.COOKIE
    return (TokenExchangeFailed if by_state else OAuthFailed)(reason=why.value)


def _identified(
    wish: Wish, client: Client, answer: TokenAnswer, deadline: Deadline
) -> tuple[Identity, TokenAnswer]:
    """Return whose tokens these are, and the longest-lived that they can be exchanged for."""
    try:
        longest = exchange.lengthen(client, answer)
        return exchange.identify(client, longest), longest
    except ProviderFailure as failure:
        refuse(wish, failure.kind.name.lower())
        spare(wish, Tokens(answer.access_token, answer.refresh_token), "", deadline)
        raise OAuthFailed(reason=failure.kind.value) from None


def _fresh(wish: Wish, answer: TokenAnswer, at: datetime) -> Fresh:
    """Return the tokens of an answer, before it is known whose account they are for."""
    return Fresh(
        user_id=wish.user_id,
        provider=wish.provider.name,
        account_id="",
        access_token=answer.access_token,
        refresh_token=answer.refresh_token,
        at=at,
        expires_at=answer.expires_at(at),
        refresh_expires_at=answer.refresh_expires_at(at),
        scopes_granted=(),
    )


def _received(registration: Registration, fresh: Fresh, identity: Identity) -> Received:
    account, scopes = identity.account, granted_scopes(registration, identity.scopes)
    fresh = replace(fresh, account_id=account.id, scopes_granted=scopes)
    return Received(fresh, account.label, account.former_ids, registration.scopes)
