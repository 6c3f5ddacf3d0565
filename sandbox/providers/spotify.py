"""Spotify: what differs, in one place (developer.spotify.com/documentation/web-api/tutorials/code-flow)."""

from typing import Any
from urllib.parse import urlsplit

from flask.typing import ResponseReturnValue

from sandbox.engine import answers, exchange, identities
from sandbox.engine.provider import Dialog, Provider, Route
from sandbox.engine.realm import Realm
from sandbox.engine.records import Client
from sandbox.engine.redirects import Match, same_but_port
from sandbox.engine.refusal import Halt, Reason, Refusal
from sandbox.engine.switches import Switch
from sandbox.providers import spotify_endpoints as endpoints

NUMERIC_LOOPBACK = {"127.0.0.1", "::1"}
API_MESSAGES = {
    Reason.TOKEN_MISSING: (401, "No token provided"),
    Reason.TOKEN_UNKNOWN: (401, "Invalid access token"),
    Reason.TOKEN_EXPIRED: (401, "The access token expired"),
    Reason.TOKEN_REVOKED: (401, "Invalid access token"),
}
# Texts that nobody has confirmed.
SWITCHED = {
    Reason.CODE_USED: "used_code_description",
    Reason.REFRESH_EXPIRED: "expired_refresh_description",
}
WORDING: answers.Wording = {
    Reason.CLIENT_UNKNOWN: (400, "invalid_client", "Invalid client"),
    Reason.CLIENT_SECRET_WRONG: (400, "invalid_client", "Invalid client secret"),
    Reason.CLIENT_AUTH_MISSING: (400, "invalid_client", ""),
    Reason.FORM_REQUIRED: (415, "unsupported_media_type", ""),
    Reason.FIELD_MISSING: (400, "invalid_request", "{} must be supplied"),
    Reason.GRANT_TYPE_UNSUPPORTED: (400, "unsupported_grant_type", "grant_type {} is not supported"),
    Reason.METHOD_REFUSED: (400, "invalid_request", "code_verifier must not be sent with a client secret"),
    Reason.CODE_UNKNOWN: (400, "invalid_grant", "Invalid authorization code"),
    Reason.CODE_EXPIRED: (400, "invalid_grant", "Authorization code expired"),
    Reason.REDIRECT_DIFFERS: (400, "invalid_grant", "Invalid redirect URI"),
    Reason.VERIFIER_MISSING: (400, "invalid_grant", "code_verifier was incorrect"),
    Reason.VERIFIER_WRONG: (400, "invalid_grant", "code_verifier was incorrect"),
    Reason.REFRESH_DEAD: (400, "invalid_grant", "Refresh token revoked"),
}


def refuse(realm: Realm, refusal: Refusal) -> ResponseReturnValue:
    """The Web API nests its errors, the token endpoint does not."""
    if refusal.reason in API_MESSAGES:
        status, message = API_MESSAGES[refusal.reason]
        return answers.reply({"error": {"status": status, "message": message}}, status)
    if refusal.reason in SWITCHED:
        return answers.error(400, "invalid_grant", realm.text(SWITCHED[refusal.reason]))
    return answers.worded(WORDING, refusal)


def match(realm: Realm, client: Client, requested: str) -> Match:
    """https, or http on a numeric loopback address, where a URI registered without a port fits any."""
    url = urlsplit(requested)
    if url.scheme != "https" and url.hostname not in NUMERIC_LOOPBACK:
        raise Halt("INVALID_CLIENT", "INVALID_CLIENT: Insecure redirect URI")
    portless = [uri for uri in client.redirect_uris if urlsplit(uri).port is None]
    any_port = any(same_but_port(uri, requested, NUMERIC_LOOPBACK) for uri in portless)
    if requested not in client.redirect_uris and not any_port:
        raise Halt("INVALID_CLIENT", "INVALID_CLIENT: Invalid redirect URI")
    return Match(requested, requested)


def profile(key: str) -> dict[str, Any]:
    return {
        "id": key,
        "account_id": identities.number(f"spotify {key}", 22),
        "display_name": identities.full_name(key),
        "email": identities.email(key),
        "country": "GB",
        "product": "premium",
    }


def trouble(status: int, retry_after: float) -> object:
    return {
        "error": {"status": status, "message": "API rate limit exceeded" if status == 429 else "Server error"}
    }


SPOTIFY = Provider(
    name="spotify",
    title="Spotify",
    dialog=Dialog(code_prefix="AQC", match=match),
    authorize_rules=("/authorize",),
    routes=(
        Route("/api/token", endpoints.token, exchange.endpoint_name, ("POST",)),
        Route("/v1/me", endpoints.me, "identity"),
    ),
    refuse=refuse,
    profile=profile,
    trouble=trouble,
    switches={
        "refresh_token_on_refresh": Switch("omit", ("omit", "same", "rotate")),
        "dev_mode": Switch(False),
        "account_id": Switch(True),
        "pkce_with_basic": Switch(True),
        "used_code_description": Switch("Invalid authorization code"),
        "expired_refresh_description": Switch("Refresh token revoked"),
    },
    scope_texts={
        "user-read-playback-state": "Read what is playing and where",
        "user-modify-playback-state": "Control playback",
        "playlist-read-private": "Read your private playlists",
        "playlist-modify-public": "Change your public playlists",
        "playlist-modify-private": "Change your private playlists",
        "user-library-read": "Read your saved tracks",
        "user-read-email": "See your email address",
        "user-read-private": "See your subscription and country",
    },
)
