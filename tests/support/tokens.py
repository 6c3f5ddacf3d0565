"""JWTs made by hand, with no library that would refuse to: what an attacker can send."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from tests.support.settings import JWT_SECRET_KEY

SOON = 600  # seconds


def claims_of(user_id: Any, **more: Any) -> dict[str, Any]:
    """Return the two claims that a token needs, and more."""
    return {"user_id": user_id, "exp": int(time.time()) + SOON, **more}


def forge(claims: Any, *, key: str | bytes = JWT_SECRET_KEY, digest: str = "sha256", **header: Any) -> str:
    """Sign with HMAC whatever the header says. Claims may be the very text to sign."""
    return assemble(json.dumps({"alg": "HS256", "typ": "JWT", **header}), claims, key=key, digest=digest)


def assemble(header: str, claims: Any, *, key: str | bytes = JWT_SECRET_KEY, digest: str = "sha256") -> str:
    """The same, with the very text of the header."""
    payload = claims if isinstance(claims, str | bytes) else json.dumps(claims)
    signed = f"{encode(header)}.{encode(payload)}"
    secret = key.encode() if isinstance(key, str) else key
    return f"{signed}.{encode(hmac.digest(secret, signed.encode(), getattr(hashlib, digest)))}"


def encode(part: str | bytes) -> str:
    raw = part.encode() if isinstance(part, str) else part
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
