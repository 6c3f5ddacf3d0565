"""PKCE (RFC 7636): does the verifier fit the challenge."""

import base64
import hashlib
import hmac

from sandbox.engine.records import AuthorizationRequest
from sandbox.engine.refusal import Reason, Refusal


def check(request: AuthorizationRequest, verifier: str) -> None:
    """A verifier is asked for exactly when the authorization request carried a challenge."""
    if not request.challenge:
        return
    if not verifier:
        raise Refusal(Reason.VERIFIER_MISSING)
    derived = s256(verifier) if request.challenge_method == "S256" else verifier
    if not hmac.compare_digest(derived.encode(), request.challenge.encode()):
        raise Refusal(Reason.VERIFIER_WRONG)


def s256(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
