"""GitHub's authorize endpoint: redirect matching, scopes, denial."""

from sandbox.engine.provider import Dialog
from sandbox.engine.realm import Realm
from sandbox.engine.records import AuthorizationRequest, Client, Grant
from sandbox.engine.redirects import Match, beneath, mismatch, same_but_port
from sandbox.engine.refusal import CallbackError
from sandbox.providers.github_errors import BAD_REDIRECT

ISSUER = "https://github.com/login/oauth"
# A wider scope makes the narrower ones superfluous, and GitHub leaves them out.
SWALLOWS = {
    "user": {"read:user", "user:email", "user:follow"},
    "repo": {"public_repo", "repo:status", "repo_deployment", "repo:invite", "security_events"},
}


def match(realm: Realm, client: Client, requested: str) -> Match:
    """Exact; on 127.0.0.1 with any port; with wildcards on also subdomains and subdirectories."""
    if requested in client.redirect_uris:
        return Match(requested, requested)
    for registered in client.redirect_uris:
        if same_but_port(registered, requested, {"127.0.0.1"}):
            return Match(requested, requested)
        if client.wildcard and beneath(registered, requested):
            return Match(requested, registered)
    if realm.text("redirect_mismatch") == "callback" and client.redirect_uris:
        return Match(client.redirect_uris[0], client.redirect_uris[0])
    raise mismatch(requested)


def check(realm: Realm, asked: AuthorizationRequest) -> None:
    """With the switch ``redirect_mismatch`` on callback, the registered URL hears of the mismatch."""
    if asked.sent_redirect_uri not in ("", asked.redirect_uri):
        raise CallbackError("redirect_uri_mismatch", BAD_REDIRECT)


def granted(realm: Realm, asked: AuthorizationRequest, account: str, ticked: list[str]) -> list[str]:
    """Without a scope parameter the earlier scopes are granted again; an App has no scopes at all."""
    if realm.is_on("app_mode"):
        return []
    earlier = realm.grants.get((asked.client_id, account))
    if not asked.scopes:
        return list(earlier.scopes) if earlier else []
    swallowed = {narrow for wide in ticked for narrow in SWALLOWS.get(wide, ())}
    return [scope for scope in ticked if scope not in {*swallowed, "offline_access"}]


def denial(realm: Realm) -> dict[str, str]:
    return {
        "error": "access_denied",
        "error_description": "The user has denied your application access.",
        "error_uri": "https://docs.github.com/apps/oauth-apps/maintaining-oauth-apps",
    }


def installed(realm: Realm, asked: AuthorizationRequest, grant: Grant) -> dict[str, str]:
    names = ("installation_id", "setup_action")
    return {name: asked.parameters[name] for name in names if name in asked.parameters}


DIALOG = Dialog(
    scope_separators=" ,",
    response_type_required=False,
    redirect_uri_required=False,
    firm_scopes=frozenset({"offline_access"}),
    iss=ISSUER,
    match=match,
    check=check,
    granted=granted,
    extra=installed,
    denial=denial,
)
