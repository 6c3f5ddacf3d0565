"""GitHub: what differs, in one place (docs.github.com/en/apps/oauth-apps)."""

from typing import Any

from flask import request
from flask.typing import ResponseReturnValue

from sandbox.engine import answers, authorize, exchange, identities, pages
from sandbox.engine.provider import Provider, Route
from sandbox.engine.realm import Realm
from sandbox.engine.refusal import Halt, Reason, Refusal
from sandbox.engine.switches import Switch
from sandbox.providers import github_applications as applications
from sandbox.providers import github_dialog as dialog
from sandbox.providers import github_repositories as repositories
from sandbox.providers import github_tokens as oauth
from sandbox.providers import github_users as users
from sandbox.providers.github_errors import API_WORDING, TOKEN_WORDING

API_BASES = ("/api", "/api/v3")


def refuse(realm: Realm, refusal: Refusal) -> ResponseReturnValue:
    if request.path.startswith("/github/api/"):
        return refuse_api(realm, refusal.reason)
    if refusal.reason is Reason.CLIENT_UNKNOWN and realm.number("unknown_client_status") == 404:
        return answers.error(404, "Not Found")
    code, description = TOKEN_WORDING.get(refusal.reason, ("invalid_request", "The request is invalid."))
    if refusal.reason in (Reason.VERIFIER_MISSING, Reason.VERIFIER_WRONG):
        code = realm.text("wrong_verifier_error")
    uri = "https://docs.github.com/apps/oauth-apps/maintaining-oauth-apps"
    return oauth.encoded({"error": code, "error_description": description, "error_uri": uri})


def refuse_api(realm: Realm, reason: Reason) -> ResponseReturnValue:
    status, message = API_WORDING.get(reason, (404, "Not Found"))
    if reason in (Reason.CLIENT_UNKNOWN, Reason.CLIENT_SECRET_WRONG, Reason.CLIENT_AUTH_MISSING):
        status = int(realm.number("wrong_secret_status"))
    if reason is Reason.ALREADY_GONE:
        status = int(realm.number("already_gone_status"))
    body = {"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)}
    return answers.reply(body, status)


def profile(key: str) -> dict[str, Any]:
    """``email`` is the public one, which most people hide; ``primary_email`` is what /user/emails tells."""
    return {
        "id": int(identities.number(f"github {key}", 8)),
        "login": key,
        "name": identities.full_name(key),
        "email": None,
        "primary_email": identities.email(key),
    }


def trouble(status: int, retry_after: float) -> object:
    message = "You have exceeded a secondary rate limit." if status in (403, 429) else "Server Error"
    return {"message": message, "documentation_url": "https://docs.github.com/rest"}


def install(realm: Realm, client_id: str) -> ResponseReturnValue:
    """Installing an App starts the flow at GitHub, so the callback has no ``state``."""
    if not realm.is_on("app_mode"):
        raise Halt("not_found", "This is not a GitHub App.", 404)
    parameters = {"client_id": client_id, "installation_id": "1001", "setup_action": "install"}
    asked = authorize.read(realm, dialog.DIALOG, parameters)
    authorize.remember(realm, asked)
    return pages.consent_page(realm, GITHUB, asked)


def api_routes(base: str) -> list[Route]:
    application = base + "/applications/<client_id>"
    return [
        Route(application + "/grant", applications.delete_grant, "revoke", ("DELETE",)),
        Route(application + "/token", applications.delete_token, "revoke", ("DELETE",)),
        Route(application + "/token", applications.check_token, "check", ("POST",)),
        Route(application + "/token", applications.reset_token, "check", ("PATCH",)),
        Route(base + "/user", users.user, "identity"),
        Route(base + "/user/emails", users.emails, "identity"),
        Route(base + "/user/repos", repositories.of_user, "repositories"),
    ]


GITHUB = Provider(
    name="github",
    title="GitHub",
    dialog=dialog.DIALOG,
    authorize_rules=("/login/oauth/authorize",),
    routes=(
        Route("/login/oauth/access_token", oauth.token, exchange.endpoint_name, ("POST",)),
        Route("/apps/<client_id>/installations/new", install, "install"),
        *(route for base in API_BASES for route in api_routes(base)),
    ),
    refuse=refuse,
    profile=profile,
    trouble=trouble,
    switches={
        "expiry": Switch("offline_access", ("none", "expiring", "offline_access")),
        "app_mode": Switch(False),
        "iss": Switch(True),
        "iss_on_denial": Switch(True),
        "already_gone_status": Switch(404, (404, 422)),
        "wrong_secret_status": Switch(404, (404, 401, 422)),
        "unknown_client_status": Switch(404, (404, 200)),
        "wrong_verifier_error": Switch("bad_verification_code"),
        "redirect_mismatch": Switch("page", ("page", "callback")),
    },
    scope_texts={
        "repo": "Full control of private and public repositories",
        "read:user": "Read your profile",
        "user:email": "See your email addresses",
        "gist": "Create gists",
        "offline_access": "Stay connected when you are away",
    },
)
