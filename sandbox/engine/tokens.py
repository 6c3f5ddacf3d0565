"""Access and refresh tokens: issuing, presenting, rotating."""

import dataclasses
import secrets

from sandbox.engine.realm import Realm
from sandbox.engine.records import Client, Token, TokenKind
from sandbox.engine.refusal import Reason, Refusal

DAY = 86_400
SIX_MONTHS = 182 * DAY
BODY = 36


def new_family() -> str:
    return secrets.token_hex(8)


def random_body() -> str:
    return secrets.token_hex(BODY // 2)


def issue(
    realm: Realm,
    kind: TokenKind,
    prefix: str,
    *,
    client_id: str,
    account: str,
    scopes: list[str],
    family: str,
    lifetime: float | None = None,
    idle_limit: float | None = None,
    public_client: bool = False,
) -> Token:
    """A new token; ``lifetime`` None never ends by itself."""
    now = realm.now()
    token = Token(prefix + random_body(), kind, client_id, account, list(scopes), family, now)
    token.expires_at = None if lifetime is None else now + lifetime
    token.idle_limit, token.public_client = idle_limit, public_client
    realm.tokens[token.value] = token
    realm.issued.append(token.value)
    return token


def successor(realm: Realm, old: Token) -> Token:
    """The next generation: another value, and the same end if the old one had a fixed end."""
    value = old.value[:-BODY] + random_body()
    new = dataclasses.replace(old, value=value, issued_at=realm.now(), used_at=None, ended="", ended_at=None)
    old.end("retired", realm.now())
    realm.tokens[value] = new
    realm.issued.append(value)
    return new


def access_lifetime(realm: Realm, usual: int | None) -> int | None:
    """The provider's own lifetime, unless the switch says another."""
    override = realm.switches["access_ttl"]
    return usual if override is None else int(realm.number("access_ttl"))


def refresh_token(realm: Realm, client: Client, value: str, grace: float = 0.0) -> Token:
    """The refresh token that a client presents; ``grace`` seconds after rotation the old one still works."""
    token = realm.tokens.get(value)
    if token is None or token.kind != "refresh" or token.client_id != client.client_id:
        raise Refusal(Reason.REFRESH_DEAD)
    state = token.state(realm.now())
    if state == "retired":
        in_grace = token.ended_at is not None and realm.now() < token.ended_at + grace
        if not in_grace:
            punish_reuse(realm, token)
            raise Refusal(Reason.REFRESH_DEAD)
    elif state != "live":
        raise Refusal(Reason.REFRESH_EXPIRED if state == "expired" else Reason.REFRESH_DEAD)
    token.used_at = realm.now()
    return token


def punish_reuse(realm: Realm, token: Token) -> None:
    """A spent refresh token came back: with ``strict_reuse`` someone stole it, so the family dies."""
    if realm.is_on("strict_reuse"):
        for relative in realm.family(token):
            relative.end("revoked", realm.now())


def access_token(realm: Realm, value: str) -> Token:
    """The live access token behind a bearer value."""
    if not value:
        raise Refusal(Reason.TOKEN_MISSING)
    token = realm.tokens.get(value)
    if token is None or token.kind != "access":
        raise Refusal(Reason.TOKEN_UNKNOWN)
    state = token.state(realm.now())
    if state != "live":
        raise Refusal(Reason.TOKEN_EXPIRED if state == "expired" else Reason.TOKEN_REVOKED)
    token.used_at = realm.now()
    return token


def retire_family_access(realm: Realm, token: Token) -> None:
    for relative in realm.family(token):
        if relative.kind == "access":
            relative.end("retired", realm.now())
