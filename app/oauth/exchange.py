"""What is asked of a provider: a token for a code, a new one for an old one, whose account it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .answers import Account, Failure, ProviderFailure, TokenAnswer, account, judge, token_answer
from .client import Client
from .provider import ScopeSource


@dataclass(frozen=True, slots=True)
class Identity:
    account: Account
    scopes: tuple[str, ...] | None


def redeem(client: Client, *, code: str, verifier: str, redirect_uri: str) -> TokenAnswer:
    """Exchange an authorization code (RFC 6749, section 4.1.3; RFC 7636, section 4.5)."""
    answer = client.redeem(code=code, verifier=verifier, redirect_uri=redirect_uri)
    return token_answer(judge(client.provider, answer, exchanging_code=True))


def lengthen(client: Client, short: TokenAnswer) -> TokenAnswer:
    """Exchange a short-lived token for a long-lived one, where the provider has these."""
    grant_type = client.provider.long_lived_grant
    if grant_type is None:
        return short
    form = {
        "grant_type": grant_type,
        "client_id": client.registration.client_id,
        "client_secret": client.registration.client_secret,
        grant_type: short.access_token,
    }
    return token_answer(judge(client.provider, client.post(client.registration.token_url, form)))


def refresh(client: Client, refresh_token: str) -> TokenAnswer:
    """Exchange a refresh token (RFC 6749, section 6)."""
    return token_answer(judge(client.provider, client.refresh(refresh_token)))


def identify(client: Client, answer: TokenAnswer) -> Identity:
    """Ask whose token this is, and for which scopes where the token answer does not say."""
    url = client.registration.userinfo_url
    found = account(client.provider, client.get(url, answer.access_token))
    if client.provider.scope_source is not ScopeSource.PERMISSIONS:
        return Identity(found, answer.scopes)
    return Identity(found, _granted(client.get(f"{url}/permissions", answer.access_token)))


def prove_client(client: Client) -> None:
    """Raise ProviderFailure unless the token endpoint takes our credentials and refuses only the code."""
    uri = client.registration.redirect_uri
    try:
        redeem(client, code="credentials-check", verifier="x" * 43, redirect_uri=uri)
    except ProviderFailure as failure:
        if failure.kind is not Failure.CODE_REFUSED:
            raise


def _granted(document: Mapping[str, Any]) -> tuple[str, ...]:
    rows = document.get("data")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ProviderFailure(Failure.MALFORMED)
    return tuple(str(row.get("permission")) for row in rows if row.get("status") == "granted")
