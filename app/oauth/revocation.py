"""How a grant is ended at its provider: one function for each kind of endpoint (RFC 7009, and others)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import quote, urlencode

from .answers import Failure, ProviderFailure, error_code, judge, parsed
from .client import Client, bearer
from .exchange import prove_client
from .http1 import Answer
from .provider import Revocation


class Outcome(Enum):
    """How the end of a grant went; the value is what callers see."""

    REVOKED = "revoked"
    ALREADY_GONE = "already_gone"
    UNSUPPORTED = "unsupported"
    QUEUED = "queued"
    SHARED = "shared"


@dataclass(frozen=True, slots=True)
class Ending:
    """What is to end. `account_id` is "" where it is not known; `whole_grant` false spares other tokens."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    account_id: str
    whole_grant: bool


def revoke(client: Client, ending: Ending) -> Outcome:
    """End a grant; raise ProviderFailure where it must be tried again."""
    if client.provider.revocation is Revocation.NONE:
        return Outcome.UNSUPPORTED
    if client.registration.revoke_url is None:
        raise ProviderFailure(Failure.UNAVAILABLE)
    return _WAYS[client.provider.revocation](client, ending, client.registration.revoke_url)


def _token(client: Client, ending: Ending, url: str) -> Outcome:
    return _outcome(client, client.post(url, {"token": ending.refresh_token or ending.access_token}))


def _token_basic(client: Client, ending: Ending, url: str) -> Outcome:
    hint = "access_token" if ending.refresh_token is None else "refresh_token"
    form = {"token": ending.refresh_token or ending.access_token, "token_type_hint": hint}
    return _outcome(client, client.post(url, form, client.basic()))


def _application(client: Client, ending: Ending, url: str) -> Outcome:
    if not ending.whole_grant:
        url = url.removesuffix("/grant") + "/token"
    answer = client.delete(url, {"access_token": ending.access_token}, headers=client.basic())
    if answer.status in (404, 422):
        prove_client(client)  # wrong credentials are answered alike, and would end nothing
        return Outcome.ALREADY_GONE
    return _outcome(client, answer)


def _permissions(client: Client, ending: Ending, url: str) -> Outcome:
    # The app's own token works after the user's has died, but only for an account that is known.
    app_token = f"{client.registration.client_id}|{client.registration.client_secret}"
    token = app_token if ending.account_id else ending.access_token
    url = url.replace("{account_id}", quote(ending.account_id, safe="") or "me")
    return _outcome(client, client.delete(url, query=urlencode(client.proof(token)), headers=bearer(token)))


_WAYS: dict[Revocation, Callable[[Client, Ending, str], Outcome]] = {
    Revocation.TOKEN: _token,
    Revocation.TOKEN_BASIC: _token_basic,
    Revocation.APPLICATION: _application,
    Revocation.PERMISSIONS: _permissions,
}


def _outcome(client: Client, answer: Answer) -> Outcome:
    """Read a revocation's answer: any 2xx without an error is done, whatever its body."""
    document = parsed(answer.body)
    error = error_code(document) if isinstance(document, dict) else None
    if error in client.provider.already_gone:
        return Outcome.ALREADY_GONE
    if error is None and document is not False and 200 <= answer.status < 300:
        return Outcome.REVOKED
    judge(client.provider, answer)
    raise ProviderFailure(Failure.UNAVAILABLE)
