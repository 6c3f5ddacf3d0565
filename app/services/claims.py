"""What a JWT says, once it is known to be good: its form, its signature, its times, whose it is and for whom.

PyJWT verifies; what it is lenient about is judged here. The algorithm and the keys are ours, whatever the
header says: `jku`, `jwk`, `x5u` and `x5c` are never looked at.

A token that was found good is remembered by its hash, and is good again until its `exp`, as long as the key
that verified it is still among those that would be tried. Whether its user and its login are still there is
no matter of its claims: the database is asked that at each request.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeGuard

import jwt
from jwt import PyJWK

from app import strict_json
from app.errors import TokenInvalid, TokenPayloadInvalid
from app.extensions import good_tokens, issuer_keys, settings

LONGEST = 4096  # characters
LAST_EXP = 253402300799  # the end of the year 9999
ACCESS, REFRESH = "access", "refresh"

_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_HEADER_TYPES = ("jwt", "at+jwt", "application/at+jwt")  # the last two: RFC 9068, section 4
_OPTIONS: Any = {
    "require": ["exp"],
    "verify_aud": False,
    "verify_iss": False,
    "verify_jti": False,
    "verify_sub": False,
}


@dataclass(frozen=True, slots=True)
class _Good:
    """What a good token says, and by which key it was verified."""

    claims: dict[str, Any]
    kid: Any
    key: str | PyJWK = field(repr=False)


def judged(token: str, kind: str) -> dict[str, Any]:
    """Return the claims of a good token of this kind.

    Raises TokenPayloadInvalid when the token is good but `user_id` is absent or no integer; TokenInvalid for
    anything else that is wrong; IssuerKeysUnavailable where there is no key to judge it by.
    """
    if len(token) > LONGEST or not _FORM.fullmatch(token):
        raise TokenInvalid
    place = kind, digest(token)
    known = good_tokens.get(place)
    if known is not None and known.key in _keys(known.kid):
        return dict(known.claims)
    found = _good(token, kind)
    good_tokens.keep(place, found, until=int(found.claims["exp"]))
    return dict(found.claims)


def digest(token: str) -> bytes:
    """Return what a token is remembered by."""
    return sha256(token.encode()).digest()


def _good(token: str, kind: str) -> _Good:
    header, claims = (_object(part) for part in token.split(".")[:2])
    _check_header(header)
    key = _verifying_key(token, header)
    _check_claims(claims, kind)
    return _Good(claims, header.get("kid"), key)


def check_user_id(claims: Mapping[str, Any]) -> None:
    """Raise TokenPayloadInvalid where `user_id` is absent or no integer, TokenInvalid where it is no id."""
    user_id = claims.get("user_id")
    if type(user_id) is not int:
        raise TokenPayloadInvalid
    if not 0 < user_id < 2**63:
        raise TokenInvalid


def is_moment(value: Any) -> TypeGuard[float]:
    """Tell whether this is a NumericDate (RFC 7519, section 2) of sense."""
    return type(value) in (int, float) and 0 < value <= LAST_EXP


def _object(part: str) -> dict[str, Any]:
    """Read one part of the token with the strict parser: PyJWT's takes duplicate claims and NaN."""
    try:
        value = strict_json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        raise TokenInvalid from None
    if not isinstance(value, dict):
        raise TokenInvalid
    return value


def _check_header(header: dict[str, Any]) -> None:
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in _HEADER_TYPES or "crit" in header:
        raise TokenInvalid
    if header.get("alg") != settings.tokens.algorithm:
        raise TokenInvalid


def _verifying_key(token: str, header: dict[str, Any]) -> str | PyJWK:
    """Verify signature and times under each key that it may be; return the one that it is."""
    for key in _keys(header.get("kid")):
        try:
            jwt.decode(token, key, algorithms=[settings.tokens.algorithm], options=_OPTIONS)
            return key
        except jwt.InvalidSignatureError:
            continue  # the other key, while they are rotated
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
            break
    raise TokenInvalid


def _keys(kid: Any) -> Sequence[str | PyJWK]:
    tokens = settings.tokens
    return tokens.secret_keys if tokens.is_symmetric else issuer_keys.of(kid)


def _check_claims(claims: dict[str, Any], kind: str) -> None:
    if not is_moment(claims.get("exp")) or claims.get("type", ACCESS) != kind:
        raise TokenInvalid
    _check_parties(claims)
    check_user_id(claims)


def _check_parties(claims: dict[str, Any]) -> None:
    """Hold issuer and audience (RFC 7519, sections 4.1.1 and 4.1.3) to what is set, letter by letter."""
    tokens, audience = settings.tokens, claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if tokens.issuer is not None and claims.get("iss") != tokens.issuer:
        raise TokenInvalid
    if tokens.audience is not None and tokens.audience not in audiences:
        raise TokenInvalid
