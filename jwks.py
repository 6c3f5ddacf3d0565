"""The public keys of whoever issues the tokens (RFC 7517): which of them will do.

config.py asks at the start, of a file; app/oauth/issuer_keys.py while the service runs, of a URL.
"""

from __future__ import annotations

import json
from typing import Any

from jwt import PyJWK, PyJWTError
from jwt.algorithms import get_default_algorithms

KINDS = {"RS256": ("RSA", None), "ES256": ("EC", "P-256")}  # kty and crv: RFC 7518, section 6
SECRET_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

_NEEDED = {"RS256": "an RSA public key of at least 2048 bits", "ES256": "a public key on the curve P-256"}


class Unfit(Exception):
    """A file holds no key that will do. `str()` says what is wrong and what to do, and shows none of it."""


def of_pem(text: str, algorithm: str) -> tuple[PyJWK, ...]:
    """Return the one public key of a PEM file. Raises Unfit."""
    if "PRIVATE KEY" in text:
        raise Unfit("it holds a private key, which has no place here; set it to a file of the public one")
    try:
        known = get_default_algorithms()[algorithm]
        member = known.to_jwk(known.prepare_key(text), as_dict=True)
    except Exception:  # PyJWT's, and cryptography's own, which only the vault may name
        member = {}
    key = _usable_key(member, algorithm)
    if key is None:
        raise Unfit(f"set it to a PEM file of {_NEEDED[algorithm]}")
    return (key,)


def of_file(text: str, algorithm: str) -> tuple[PyJWK, ...]:
    """Return the usable keys, at least one, of a JWK Set that somebody has put into a file. Raises Unfit."""
    try:
        document = json.loads(text)
        keys = usable(document, algorithm)
    except (ValueError, RecursionError):
        raise Unfit('set it to a file of a JWK Set: {"keys": [...]} in JSON') from None
    if any(_is_secret(member) for member in document["keys"]):
        raise Unfit(
            "it holds a private or symmetric key, which has no place here; leave only public ones in it"
        )
    if not keys:
        raise Unfit(f"no key in it is good for {algorithm}; set it to a JWK Set with {_NEEDED[algorithm]}")
    return keys


def usable(document: Any, algorithm: str) -> tuple[PyJWK, ...]:
    """Return the keys of a JWK Set that are public, and meant to verify signatures of this algorithm.

    Raises ValueError where it is no JWK Set.
    """
    members = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(members, list):
        raise ValueError("not a JWK Set")
    return tuple(key for member in members if (key := _usable_key(member, algorithm)) is not None)


def _usable_key(member: Any, algorithm: str) -> PyJWK | None:
    if not isinstance(member, dict) or _is_secret(member) or not _is_meant_for(member, algorithm):
        return None
    try:
        key = PyJWK(member, algorithm)
    except (PyJWTError, ValueError, TypeError, OverflowError):
        return None
    return None if key.Algorithm.check_key_length(key.key) else key


def _is_meant_for(member: dict[str, Any], algorithm: str) -> bool:
    """Tell whether kty, crv, use, key_ops and alg (RFC 7517, section 4) are those of this algorithm."""
    operations = member.get("key_ops", ["verify"])
    return (
        (member.get("kty"), member.get("crv")) == KINDS[algorithm]
        and member.get("use", "sig") == "sig"
        and (isinstance(operations, list) and "verify" in operations)
        and member.get("alg", algorithm) == algorithm
        and isinstance(member.get("kid"), str | None)
    )


def _is_secret(member: Any) -> bool:
    return isinstance(member, dict) and (member.get("kty") == "oct" or not SECRET_MEMBERS.isdisjoint(member))
