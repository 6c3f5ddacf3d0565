"""The authorization code flow's pure steps: state, PKCE, the authorization URL, the callback's parameters.

RFC 6749 (section 4.1), RFC 7636, RFC 9207, RFC 9700. Nothing here has an effect.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from oauthlib.oauth2 import WebApplicationClient

from .registration import Registration

_PRINTABLE = re.compile(r"[\x20-\x7e]{1,4096}")
_ERROR = re.compile(r"[a-z_]{1,64}")


def new_secret() -> str:
    """Return 256 random bits as URL-safe text: a state, a ticket, a PKCE verifier, a browser's name."""
    return secrets.token_urlsafe(32)


def fingerprint(secret: str) -> str:
    """Return what is stored of a secret that a caller will bring back: its SHA-256, in hex."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def s256(verifier: str) -> str:
    """Return the code challenge of a verifier (RFC 7636, section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()


def authorize_url(
    registration: Registration, *, state: str, verifier: str, difference: Sequence[str] = ()
) -> str:
    """Return where the user's browser goes to be asked (RFC 6749, section 4.1.1).

    A `difference` is asked for alone, to be added to what was granted before.
    """
    provider = registration.provider
    added = (provider.difference_params or {}) if difference else {}
    before, between, after = _around_secrets(
        registration.authorize_url,
        client_id=registration.client_id,
        redirect_uri=registration.redirect_uri,
        scope=provider.scope_separator.join(difference or registration.scopes),
        **{**provider.authorize_params, **added},
    )
    return f"{before}{state}{between}{s256(verifier)}{after}"


@lru_cache(maxsize=128)
def _around_secrets(url: str, *, client_id: str, **parameters: str) -> tuple[str, str, str]:
    """Return an authorization URL without its state and challenge, which are nothing that must be quoted."""
    state, challenge = new_secret(), new_secret()
    whole = WebApplicationClient(client_id).prepare_request_uri(
        url, state=state, code_challenge=challenge, code_challenge_method="S256", **parameters
    )
    before, rest = str(whole).split(state)
    between, after = rest.split(challenge)
    return before, between, after


@dataclass(frozen=True, slots=True)
class CallbackParameters:
    """What a callback's query says. A parameter that is absent, repeated or not plain text is None."""

    state: str | None
    code: str | None
    error: str | None
    iss: tuple[str, ...]

    @classmethod
    def of(cls, query: Iterable[tuple[str, str]]) -> CallbackParameters:
        pairs = list(query)
        return cls(
            state=_single(pairs, "state"),
            code=_single(pairs, "code"),
            error=_error(pairs),
            iss=tuple(value for name, value in pairs if name == "iss"),
        )

    def issued_by(self, registration: Registration) -> bool:
        """Tell whether `iss` is absent, unchecked, or exactly the provider's (RFC 9207, section 2.4)."""
        return not self.iss or registration.issuer is None or self.iss == (registration.issuer,)


def _single(pairs: list[tuple[str, str]], name: str) -> str | None:
    values = [value for key, value in pairs if key == name]
    return values[0] if len(values) == 1 and _PRINTABLE.fullmatch(values[0]) else None


def _error(pairs: list[tuple[str, str]]) -> str | None:
    """Return the provider's error word. Some dialogs send an `error_code` and no `error`."""
    values = [value for key, value in pairs if key == "error"]
    if not values:
        return "unknown_error" if any(key == "error_code" for key, _ in pairs) else None
    return values[0] if len(values) == 1 and _ERROR.fullmatch(values[0]) else "unknown_error"
