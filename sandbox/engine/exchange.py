"""The token endpoint's common part: which grant is asked for, and the code behind it."""

from collections.abc import Callable, Mapping

from flask import request
from flask.typing import ResponseReturnValue

from sandbox.engine import codes, incoming
from sandbox.engine.realm import Realm
from sandbox.engine.records import Client, Code
from sandbox.engine.refusal import Reason, Refusal

Handler = Callable[[], ResponseReturnValue]


def endpoint_name() -> str:
    """A refresh has its own name in faults and in the log."""
    body = request.get_json(silent=True) if request.is_json else request.values
    grant_type = body.get("grant_type") if isinstance(body, Mapping) else None
    names = {"refresh_token": "refresh", "fb_exchange_token": "long_lived"}
    return names.get(str(grant_type), "token")


def by_grant_type(parameters: Mapping[str, str], code: Handler, refresh: Handler) -> ResponseReturnValue:
    handlers = {"authorization_code": code, "refresh_token": refresh}
    grant_type = incoming.required(parameters, "grant_type")
    if grant_type not in handlers:
        raise Refusal(Reason.GRANT_TYPE_UNSUPPORTED, grant_type)
    return handlers[grant_type]()


def spend_code(realm: Realm, client: Client, parameters: Mapping[str, str]) -> Code:
    value = incoming.required(parameters, "code")
    redirect_uri, verifier = parameters.get("redirect_uri", ""), parameters.get("code_verifier", "")
    return codes.redeem(realm, client, value, redirect_uri, verifier)
