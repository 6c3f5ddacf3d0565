"""An id_token of the right shape, but signed with the client's secret, not with a key of Google's."""

import base64
import hashlib
import hmac
import json
from typing import Any

from sandbox.engine.records import Client


def id_token(issuer: str, client: Client, profile: dict[str, Any], now: float) -> str:
    claims = {
        "iss": issuer,
        "aud": client.client_id,
        "azp": client.client_id,
        "sub": profile["sub"],
        "email": profile["email"],
        "iat": int(now),
        "exp": int(now) + 3600,
    }
    signed = f"{encoded({'alg': 'HS256', 'typ': 'JWT'})}.{encoded(claims)}"
    signature = hmac.new(client.client_secret.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64url(signature)}"


def encoded(value: dict[str, Any]) -> str:
    return base64url(json.dumps(value, separators=(",", ":")).encode())


def base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
