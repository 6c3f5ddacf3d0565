"""Facebook's Graph API: the user, and the inspection of a token."""

from flask import request
from flask.typing import ResponseReturnValue

from sandbox.engine import answers
from sandbox.engine.realm import Realm
from sandbox.engine.records import Token
from sandbox.engine.refusal import Reason, Refusal
from sandbox.providers.facebook_access import caller
from sandbox.providers.facebook_errors import described

FIELDS = ("id", "name", "email")
DATA_ACCESS = 90 * 86_400


def me(realm: Realm) -> ResponseReturnValue:
    """The fields asked for; the address only if it may be seen and there is one."""
    token = caller(realm).token
    if token is None:
        raise Refusal(Reason.TOKEN_MISSING)
    profile = realm.accounts[token.account].profile
    may_see = realm.grant(token.client_id, token.account).scopes
    asked = ["id", *request.args.get("fields", "id,name").split(",")]
    shown = [field for field in FIELDS if field in asked and (field != "email" or "email" in may_see)]
    return answers.reply({field: profile[field] for field in shown if profile.get(field)})


def debug_token(realm: Realm) -> ResponseReturnValue:
    """About one's own tokens only, dead ones included."""
    client = caller(realm).client
    token = realm.tokens.get(request.args.get("input_token", ""))
    if token is None or token.client_id != client.client_id:
        error = described(Refusal(Reason.TOKEN_UNKNOWN))
        return answers.reply({"data": {"is_valid": False, "scopes": [], "error": error}})
    return answers.reply({"data": inspected(realm, token)})


def inspected(realm: Realm, token: Token) -> dict[str, object]:
    state = token.state(realm.now())
    about: dict[str, object] = {
        "app_id": token.client_id,
        "type": "USER",
        "is_valid": state == "live",
        "issued_at": int(token.issued_at),
        "expires_at": int(token.expires_at or 0),
        "data_access_expires_at": int(token.issued_at + DATA_ACCESS),
        "scopes": token.scopes,
        "user_id": realm.accounts[token.account].profile["id"],
    }
    if state != "live":
        reason = Reason.TOKEN_EXPIRED if state == "expired" else Reason.TOKEN_REVOKED
        about["error"] = described(Refusal(reason, token.client_id))
    return about
