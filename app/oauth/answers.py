"""Reading what providers answer: a token, an account, scopes; or a failure, of a closed set of kinds.

The body is judged before the status, since GitHub sends its errors with 200 and Facebook nests them.
No text of a provider leaves this module but tokens, scopes, and an account's id and label.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any

from app import strict_json

from .http1 import Answer
from .provider import Provider
from .registration import Registration

LONGEST_LIFE = 10 * 365 * 86400  # seconds; a longer expires_in is no sense


class Failure(Enum):
    """Why a provider did not give what was asked; the value is the sentence that callers see."""

    CODE_REFUSED = "the provider refused the authorization code"
    GRANT_DEAD = "the provider has ended this grant"
    CLIENT_REFUSED = "the provider refused this service's client credentials"
    UNAVAILABLE = "the provider is not available"
    TIMED_OUT = "the provider did not answer in time"
    MALFORMED = "the provider's answer could not be understood"
    NOT_READY = "this service is not set up to ask the provider"


class Kind(Enum):
    """What a failure says of a stored grant: a closed set, and only the first marks one."""

    DEAD_GRANT = "dead_grant"
    OUTAGE = "outage"
    OPERATOR = "operator"
    MALFORMED = "malformed"


_KINDS = {
    Failure.GRANT_DEAD: Kind.DEAD_GRANT,
    Failure.CLIENT_REFUSED: Kind.OPERATOR,
    Failure.NOT_READY: Kind.OPERATOR,
    Failure.MALFORMED: Kind.MALFORMED,
}


class ProviderFailure(Exception):
    """A call to a provider failed. Carries the kind, and no word of the provider's.

    `retry_after` is in seconds, where the provider said when to come again.
    """

    def __init__(self, kind: Failure, retry_after: float | None = None) -> None:
        super().__init__(kind.value)
        self.kind = kind
        self.retry_after = retry_after

    @property
    def of_grant(self) -> Kind:
        return _KINDS.get(self.kind, Kind.OUTAGE)


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """A successful token answer (RFC 6749, section 5.1). Lives are seconds; None is: not said."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    expires_in: int | None = None
    refresh_token_expires_in: int | None = None
    scopes: tuple[str, ...] | None = None

    def expires_at(self, answered_at: datetime) -> datetime | None:
        return None if self.expires_in is None else answered_at + timedelta(seconds=self.expires_in)

    def refresh_expires_at(self, answered_at: datetime) -> datetime | None:
        life = self.refresh_token_expires_in
        return None if life is None else answered_at + timedelta(seconds=life)


@dataclass(frozen=True, slots=True)
class Account:
    """The account at the provider: its lasting id, the ids it had before, a name for people."""

    id: str
    label: str
    former_ids: tuple[str, ...] = ()

    def is_same_as(self, account_id: str) -> bool:
        return account_id == self.id or account_id in self.former_ids


_GRANT_DEAD = frozenset({"invalid_grant"})
_CLIENT_REFUSED = frozenset({"invalid_client", "unauthorized_client"})


def judge(provider: Provider, answer: Answer, *, exchanging_code: bool = False) -> Mapping[str, Any]:
    """Return the JSON object of a good answer, or raise ProviderFailure of the kind that the bad one is."""
    said, status = parsed(answer.body), answer.status
    document = said if isinstance(said, dict) else None
    if status == 429 or status >= 500:
        raise ProviderFailure(Failure.UNAVAILABLE, _retry_after(answer, document))
    if document is not None and (error := error_code(document)):
        raise ProviderFailure(_kind_of(provider, error, document, exchanging_code=exchanging_code))
    if document is None:
        raise ProviderFailure(Failure.MALFORMED)
    if not 200 <= status < 300:
        raise ProviderFailure(Failure.UNAVAILABLE)
    return document


def is_of_token(provider: Provider, answer: Answer) -> bool:
    """Tell whether a 401 of an API speaks of the token: in JSON, each vendor in words of its own.

    A page may come from a gateway, and some errors are our operator's.
    """
    document = parsed(answer.body)
    if not isinstance(document, dict):
        return False
    return error_code(document) not in _CLIENT_REFUSED | provider.client_refused


def _retry_after(answer: Answer, document: Mapping[str, Any] | None) -> float | None:
    """Return the seconds of Retry-After (RFC 9110, section 10.2.3), or of the body that some send instead."""
    text = answer.headers.get("retry-after", "")
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        said = (document or {}).get("retry_after")
        if isinstance(said, bool) or not isinstance(said, int | float):
            return None
        return float(said) if 0 <= said < 1e9 else None


def parsed(body: bytes) -> Any:
    """Return what the JSON of an answer says; None where it is none, or not as it should be."""
    try:
        return strict_json.loads(body)
    except ValueError:
        return None


def error_code(document: Mapping[str, Any]) -> str | None:
    """Return the error's word or number as text, flat (RFC 6749, section 5.2) or nested."""
    error = document.get("error")
    if isinstance(error, dict):
        error = error.get("code", error.get("status", "unknown"))
    return None if error is None else str(error)


def _kind_of(
    provider: Provider, error: str, document: Mapping[str, Any], *, exchanging_code: bool
) -> Failure:
    if error in _CLIENT_REFUSED | provider.client_refused:
        return Failure.CLIENT_REFUSED
    # While a code is exchanged, "the grant is not valid" speaks of the code, not of a stored connection.
    if exchanging_code and error in _GRANT_DEAD | provider.grants_dead | provider.codes_refused:
        return Failure.CODE_REFUSED
    text = provider.grants_dead_where.get(error)
    dead = error in _GRANT_DEAD | provider.grants_dead or (
        text is not None and text in str(document.get("error_description"))
    )
    return Failure.GRANT_DEAD if dead else Failure.UNAVAILABLE


def token_answer(document: Mapping[str, Any]) -> TokenAnswer:
    """Return the token in a good answer; raise ProviderFailure(MALFORMED) where it makes no sense."""
    token_type = document.get("token_type", "bearer")
    if not isinstance(token_type, str) or token_type.lower() != "bearer":
        raise ProviderFailure(Failure.MALFORMED)
    scope = document.get("scope")
    if scope is not None and not isinstance(scope, str):
        raise ProviderFailure(Failure.MALFORMED)
    access_token = _token(document.get("access_token"))
    if access_token is None:
        raise ProviderFailure(Failure.MALFORMED)
    return TokenAnswer(
        access_token=access_token,
        refresh_token=_token(document.get("refresh_token")),
        expires_in=_seconds(document.get("expires_in")),
        refresh_token_expires_in=_seconds(document.get("refresh_token_expires_in")),
        scopes=split_scopes(scope) if scope else None,
    )


def _token(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not re.fullmatch(r"[\x20-\x7e]+", value):  # VSCHAR, RFC 6749 appendix A
        raise ProviderFailure(Failure.MALFORMED)
    return value


def _seconds(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value):
        value = int(value)
    if type(value) is not int or not 0 <= value <= LONGEST_LIFE:
        raise ProviderFailure(Failure.MALFORMED)
    return value


def account(provider: Provider, document: Mapping[str, Any]) -> Account:
    """Return whose account an identity answer speaks of; raise ProviderFailure(MALFORMED) if nobody's."""
    ids = _texts(document, provider.account_id)
    if not ids:
        raise ProviderFailure(Failure.MALFORMED)
    labels = _texts(document, provider.account_label)
    return Account(id=ids[0], label=(labels or ids)[0], former_ids=tuple(ids[1:]))


def _texts(document: Mapping[str, Any], keys: Iterable[str]) -> list[str]:
    values = [document.get(key) for key in keys]
    return [str(value)[:255] for value in values if type(value) is int or (isinstance(value, str) and value)]


def split_scopes(text: str) -> tuple[str, ...]:
    """Split on spaces and commas: each provider answers with the one or the other."""
    return tuple(part for part in re.split(r"[,\s]+", text) if part)


def granted_scopes(registration: Registration, answered: Iterable[str] | None) -> tuple[str, ...]:
    """Return what was granted, in our own names. An answer that says nothing grants what was asked for."""
    if answered is None:
        return registration.scopes
    aliases = registration.provider.scope_aliases
    return tuple(sorted({aliases.get(scope, scope) for scope in answered}))


def missing_scopes(provider: Provider, asked: Iterable[str], granted: Iterable[str]) -> tuple[str, ...]:
    """Return what was asked for and not granted, counting what a wider scope implies."""
    held = set(granted)
    for scope in tuple(held):
        held |= provider.implied_scopes.get(scope, frozenset())
    return tuple(scope for scope in asked if scope not in held)
