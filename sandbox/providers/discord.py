"""Discord: what differs, in one place (docs.discord.com/developers/topics/oauth2)."""

from typing import Any

from flask.typing import ResponseReturnValue

from sandbox.engine import answers, exchange, identities
from sandbox.engine.provider import Dialog, Provider, Route
from sandbox.engine.realm import Realm
from sandbox.engine.records import AuthorizationRequest
from sandbox.engine.refusal import Reason, Refusal
from sandbox.engine.switches import Switch
from sandbox.providers import discord_endpoints as endpoints

API_REASONS = {Reason.TOKEN_MISSING, Reason.TOKEN_UNKNOWN, Reason.TOKEN_EXPIRED, Reason.TOKEN_REVOKED}
INVALID_CODE = 'Invalid "code" in request.'
INVALID_REFRESH_TOKEN = 'Invalid "refresh_token" in request'
WORDING: answers.Wording = {
    Reason.CLIENT_UNKNOWN: (401, "invalid_client", ""),
    Reason.CLIENT_SECRET_WRONG: (401, "invalid_client", ""),
    Reason.CLIENT_AUTH_MISSING: (401, "invalid_client", ""),
    Reason.FORM_REQUIRED: (400, "invalid_request", "Content-Type must be application/x-www-form-urlencoded"),
    Reason.FIELD_MISSING: (400, "invalid_request", 'Missing "{}" in request.'),
    Reason.GRANT_TYPE_UNSUPPORTED: (400, "unsupported_grant_type", "Unsupported grant type"),
    Reason.CODE_UNKNOWN: (400, "invalid_grant", INVALID_CODE),
    Reason.CODE_USED: (400, "invalid_grant", INVALID_CODE),
    Reason.CODE_EXPIRED: (400, "invalid_grant", INVALID_CODE),
    Reason.REDIRECT_DIFFERS: (400, "invalid_request", 'Invalid "redirect_uri" in request.'),
    Reason.VERIFIER_MISSING: (400, "invalid_grant", 'Invalid "code_verifier" in request.'),
    Reason.VERIFIER_WRONG: (400, "invalid_grant", 'Invalid "code_verifier" in request.'),
    Reason.TOKEN_HINT_UNKNOWN: (400, "unsupported_token_type", "Unsupported token type"),
    Reason.ALREADY_GONE: (400, "invalid_token", "Invalid token"),
}


def refuse(realm: Realm, refusal: Refusal) -> ResponseReturnValue:
    if refusal.reason in (Reason.REFRESH_DEAD, Reason.REFRESH_EXPIRED):
        return answers.error(400, realm.text("dead_refresh_error"), INVALID_REFRESH_TOKEN)
    if refusal.reason in API_REASONS:
        return answers.reply({"message": "401: Unauthorized", "code": 0}, 401)
    if refusal.reason is Reason.SCOPE_LACKING:
        return answers.reply({"message": "Missing Access", "code": 50001}, 403)
    return answers.worded(WORDING, refusal)


def silently_as(realm: Realm, asked: AuthorizationRequest) -> str | None:
    """``prompt=none`` skips the page for whoever granted all of it, the latest if several did."""
    if asked.parameters.get("prompt") != "none":
        return None
    grants = [g for g in realm.grants.values() if g.client_id == asked.client_id]
    covering = [g for g in grants if set(asked.scopes) <= set(g.scopes)]
    return max(covering, key=lambda grant: grant.granted_at).account if covering else None


def denial(realm: Realm) -> dict[str, str]:
    description = "The resource owner or authorization server denied the request"
    return {"error": "access_denied", "error_description": description}


def profile(key: str) -> dict[str, Any]:
    return {
        "id": identities.number(f"discord {key}", 18),
        "username": key,
        "global_name": identities.full_name(key),
        "discriminator": "0",
        "avatar": None,
        "email": identities.email(key),
        "verified": True,
    }


def trouble(status: int, retry_after: float) -> object:
    if status == 429:
        wait = float(retry_after)
        return {"message": "You are being rate limited.", "retry_after": wait, "global": False}
    return {"message": f"{status}: Error", "code": 0}


DISCORD = Provider(
    name="discord",
    title="Discord",
    dialog=Dialog(silently_as=silently_as, denial=denial),
    authorize_rules=("/oauth2/authorize", "/api/oauth2/authorize"),
    routes=tuple(
        Route(base + rule, view, endpoint, methods)
        for base in ("/api", "/api/v10")
        for rule, view, endpoint, methods in (
            ("/oauth2/token", endpoints.token, exchange.endpoint_name, ("POST",)),
            ("/oauth2/token/revoke", endpoints.revoke, "revoke", ("POST",)),
            ("/oauth2/@me", endpoints.authorization, "identity", ("GET",)),
            ("/users/@me", endpoints.user, "identity", ("GET",)),
        )
    ),
    refuse=refuse,
    profile=profile,
    trouble=trouble,
    switches={
        "dead_refresh_error": Switch("invalid_grant", ("invalid_grant", "invalid_request")),
        "dead_revoke_status": Switch(200, (200, 400)),
        "rotation_grace": Switch(0),
        "refresh_ttl": Switch(None),
    },
    scope_texts={
        "identify": "Know your username and avatar",
        "email": "See your email address",
        "guilds": "See which servers you are in",
    },
)
