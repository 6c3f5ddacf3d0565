"""Authorization codes: single use, short lived, bound to client, redirect URI and challenge."""

import secrets

from sandbox.engine import pkce
from sandbox.engine.realm import Realm
from sandbox.engine.records import AuthorizationRequest, Client, Code
from sandbox.engine.refusal import Reason, Refusal


def issue(realm: Realm, request: AuthorizationRequest, account: str, scopes: list[str], prefix: str) -> Code:
    code = Code(prefix + secrets.token_urlsafe(24), request, account, scopes, realm.now())
    realm.codes[code.value] = code
    realm.issued.append(code.value)
    return code


def redeem(realm: Realm, client: Client, value: str, redirect_uri: str, verifier: str) -> Code:
    """Spend a code. Only a request that is right in every part uses it up."""
    code = realm.codes.get(value)
    if code is None or code.request.client_id != client.client_id:
        raise Refusal(Reason.CODE_UNKNOWN)
    if code.used:
        raise Refusal(Reason.CODE_USED)
    if realm.now() >= code.issued_at + realm.number("code_ttl"):
        raise Refusal(Reason.CODE_EXPIRED)
    if redirect_uri != code.request.sent_redirect_uri:
        raise Refusal(Reason.REDIRECT_DIFFERS)
    pkce.check(code.request, verifier)
    code.used = True
    return code


def redirect_sent_with(realm: Realm, value: str) -> str:
    """What the code is bound to, for providers that let the client leave it out at the exchange."""
    code = realm.codes.get(value)
    return code.request.sent_redirect_uri if code else ""
