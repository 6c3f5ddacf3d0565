"""Facebook's login dialog: permissions that can be declined, and stay declined."""

from sandbox.engine.provider import Dialog
from sandbox.engine.realm import Realm
from sandbox.engine.records import AuthorizationRequest, Grant

ALWAYS_GRANTED = "public_profile"


def check(realm: Realm, asked: AuthorizationRequest) -> None:
    """PKCE outside the OIDC flow is tolerated at least: with the switch off it is ignored."""
    if not realm.is_on("pkce"):
        asked.challenge = asked.challenge_method = ""


def granted(realm: Realm, asked: AuthorizationRequest, account: str, ticked: list[str]) -> list[str]:
    """What was declined before is not asked again, unless ``auth_type=rerequest``."""
    grant = realm.grant(asked.client_id, account)
    earlier = [] if asked.parameters.get("auth_type") == "rerequest" else grant.declined
    given = [scope for scope in ticked if scope not in earlier]
    refused = [scope for scope in asked.scopes if scope not in given and scope not in grant.scopes]
    untouched = [scope for scope in grant.declined if scope not in asked.scopes]
    grant.declined = untouched + [scope for scope in refused if scope != ALWAYS_GRANTED]
    return list(dict.fromkeys([ALWAYS_GRANTED, *given]))


def extra(realm: Realm, asked: AuthorizationRequest, grant: Grant) -> dict[str, str]:
    if asked.parameters.get("return_scopes") != "true":
        return {}
    return {"granted_scopes": ",".join(grant.scopes), "denied_scopes": ",".join(grant.declined)}


def denial(realm: Realm) -> dict[str, str]:
    return {
        "error": "access_denied",
        "error_reason": "user_denied",
        "error_code": "200",
        "error_description": "Permissions error",
    }


DIALOG = Dialog(
    scope_separators=", ",
    response_type_required=False,
    firm_scopes=frozenset({ALWAYS_GRANTED}),
    code_prefix="AQ",
    fragment="#_=_",
    check=check,
    granted=granted,
    extra=extra,
    denial=denial,
)
