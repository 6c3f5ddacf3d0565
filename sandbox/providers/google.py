"""Google: what differs, in one place (developers.google.com/identity/protocols/oauth2/web-server)."""

from typing import Any

from flask.typing import ResponseReturnValue

from sandbox.engine import answers, exchange, identities
from sandbox.engine.provider import Dialog, Provider, Route
from sandbox.engine.realm import Realm
from sandbox.engine.records import AuthorizationRequest
from sandbox.engine.refusal import Reason, Refusal
from sandbox.engine.switches import Switch
from sandbox.providers import google_endpoints as endpoints

API_REASONS = {Reason.TOKEN_MISSING, Reason.TOKEN_UNKNOWN, Reason.TOKEN_EXPIRED, Reason.TOKEN_REVOKED}
WORDING: answers.Wording = {
    Reason.CLIENT_UNKNOWN: (401, "invalid_client", "The OAuth client was not found."),
    Reason.CLIENT_SECRET_WRONG: (401, "invalid_client", "Unauthorized"),
    Reason.CLIENT_AUTH_MISSING: (400, "invalid_request", "client_secret is missing."),
    Reason.FIELD_MISSING: (400, "invalid_request", "Missing required parameter: {}"),
    Reason.GRANT_TYPE_UNSUPPORTED: (400, "unsupported_grant_type", "Invalid grant_type: {}"),
    Reason.CODE_UNKNOWN: (400, "invalid_grant", "Malformed auth code."),
    Reason.CODE_USED: (400, "invalid_grant", "Bad Request"),
    Reason.CODE_EXPIRED: (400, "invalid_grant", "Bad Request"),
    Reason.REDIRECT_DIFFERS: (400, "redirect_uri_mismatch", "Bad Request"),
    Reason.VERIFIER_MISSING: (400, "invalid_grant", "Missing code verifier."),
    Reason.VERIFIER_WRONG: (400, "invalid_grant", "Invalid code verifier."),
    Reason.REFRESH_DEAD: (400, "invalid_grant", "Token has been expired or revoked."),
    Reason.REFRESH_EXPIRED: (400, "invalid_grant", "Token has been expired or revoked."),
    Reason.ALREADY_GONE: (400, "invalid_token", "Token expired or revoked"),
    Reason.SCOPE_LACKING: (403, "insufficient_scope", "Request had insufficient authentication scopes."),
    Reason.NOT_FOUND: (404, "not_found", "Not Found"),
}


def refuse(realm: Realm, refusal: Refusal) -> ResponseReturnValue:
    if refusal.reason in API_REASONS:
        body = {"error": "invalid_request", "error_description": "Invalid Credentials"}
        return answers.reply(body, 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
    if refusal.reason in (Reason.CLIENT_UNKNOWN, Reason.CLIENT_SECRET_WRONG):
        _, code, description = WORDING[refusal.reason]
        return answers.error(int(realm.number("invalid_client_status")), code, description)
    return answers.worded(WORDING, refusal)


def granted(realm: Realm, asked: AuthorizationRequest, account: str, ticked: list[str]) -> list[str]:
    """Google answers with full names, in an order of its own, and adds earlier scopes when asked to."""
    scopes = [endpoints.ALIASES.get(scope, scope) for scope in reversed(ticked)]
    earlier = realm.grants.get((asked.client_id, account))
    if earlier and asked.parameters.get("include_granted_scopes") == "true":
        scopes += earlier.scopes
    return list(dict.fromkeys(scopes))


def profile(key: str) -> dict[str, Any]:
    return {
        "sub": identities.number(f"google {key}", 21),
        "email": identities.email(key),
        "email_verified": True,
        "name": identities.full_name(key),
        "picture": f"https://lh3.googleusercontent.com/a/{key}",
    }


def trouble(status: int, retry_after: float) -> object:
    if status == 429:
        return {"error": "rate_limit_exceeded", "error_description": "Rate Limit Exceeded"}
    return {"error": "internal_failure", "error_description": "Backend Error"}


GOOGLE = Provider(
    name="google",
    title="Google",
    dialog=Dialog(
        scope_required=True,
        challenge_methods=frozenset({"S256", "plain"}),
        firm_scopes=frozenset({"openid", "email", "profile", *endpoints.ALIASES.values()}),
        code_prefix="4/0A",
        iss=endpoints.ISSUER,
        granted=granted,
    ),
    authorize_rules=("/o/oauth2/v2/auth",),
    routes=(
        Route("/token", endpoints.token, exchange.endpoint_name, ("POST",)),
        Route("/revoke", endpoints.revoke, "revoke", ("POST",)),
        Route("/revoke", endpoints.no_such_page, "revoke"),
        Route("/v1/userinfo", endpoints.userinfo, "identity", ("GET", "POST")),
        Route("/tokeninfo", endpoints.tokeninfo, "identity"),
    ),
    refuse=refuse,
    profile=profile,
    trouble=trouble,
    switches={
        "iss": Switch(True),
        "iss_on_denial": Switch(True),
        "testing_mode": Switch(False),
        "invalid_client_status": Switch(401, (401, 400)),
        "revoke_across_project": Switch(True),
    },
    scope_texts={
        "openid": "Know who you are on Google",
        "email": "See your email address",
        "profile": "See your name and picture",
        "https://www.googleapis.com/auth/gmail.readonly": "Read your email messages and settings",
        "https://www.googleapis.com/auth/drive": "See, edit, create and delete all your Drive files",
        "https://www.googleapis.com/auth/drive.readonly": "See and download all your Drive files",
    },
)
