"""Facebook: what differs, in one place (developers.facebook.com/documentation/facebook-login)."""

from typing import Any

from sandbox.engine import exchange, identities
from sandbox.engine.provider import Provider, Route
from sandbox.engine.switches import Switch
from sandbox.providers import facebook_graph as graph
from sandbox.providers import facebook_permissions as permissions
from sandbox.providers import facebook_tokens as oauth
from sandbox.providers.facebook_dialog import DIALOG
from sandbox.providers.facebook_errors import refuse

VERSION = "/v26.0"


def profile(key: str) -> dict[str, Any]:
    name = identities.full_name(key)
    return {"id": identities.number(f"facebook {key}", 17), "name": name, "email": identities.email(key)}


def trouble(status: int, retry_after: float) -> object:
    limited = status in (400, 403, 429)
    message = "(#4) Application request limit reached" if limited else "An unknown error has occurred."
    error = {"message": message, "type": "OAuthException", "code": 4 if limited else 1, "is_transient": True}
    return {"error": error | {"fbtrace_id": "Asandbox"}}


def permission_routes() -> list[Route]:
    """``me`` and a user's number mean the same, and a permission can be named or not."""
    owned = VERSION + "/<user_id>/permissions"
    return [
        Route(owned, permissions.listed, "identity"),
        Route(owned, permissions.removed, "revoke", ("DELETE",)),
        Route(owned + "/<name>", permissions.removed, "revoke", ("DELETE",)),
    ]


FACEBOOK = Provider(
    name="facebook",
    title="Facebook",
    dialog=DIALOG,
    authorize_rules=(VERSION + "/dialog/oauth",),
    routes=(
        Route(VERSION + "/oauth/access_token", oauth.token, exchange.endpoint_name, ("GET", "POST")),
        Route(VERSION + "/me", graph.me, "identity"),
        Route(VERSION + "/debug_token", graph.debug_token, "identity"),
        *permission_routes(),
    ),
    refuse=refuse,
    profile=profile,
    trouble=trouble,
    switches={
        "post_exchange": Switch(True),
        "pkce": Switch(True),
        "short_token": Switch(True),
        "omit_expires_in": Switch(False),
        "require_appsecret_proof": Switch(False),
        "revoke_answer": Switch("success", ("success", "true")),
        "extend_on_reexchange": Switch(True),
        "code_subcodes": Switch(True),
        "app_token_already_gone": Switch("error", ("error", "success")),
    },
    scope_texts={
        "email": "See your email address",
        "public_profile": "See your name and picture",
        "user_posts": "See your posts",
    },
)
