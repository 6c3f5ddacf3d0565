"""Sending the browser back to the client."""

from urllib.parse import urlencode

from flask import redirect
from flask.typing import ResponseReturnValue

from sandbox.engine.provider import Provider
from sandbox.engine.realm import Realm
from sandbox.engine.records import AuthorizationRequest
from sandbox.engine.refusal import CallbackError


def succeeded(
    realm: Realm, provider: Provider, asked: AuthorizationRequest, parameters: dict[str, str]
) -> ResponseReturnValue:
    issuer = issuer_of(realm, provider, "iss")
    return send(asked.redirect_uri, parameters | state_of(asked) | issuer, provider.dialog.fragment)


def failed(
    realm: Realm, provider: Provider, asked: AuthorizationRequest, error: CallbackError
) -> ResponseReturnValue:
    parameters = {"error": error.error}
    if error.description:
        parameters["error_description"] = error.description
    return send_failure(realm, provider, asked, parameters)


def denied(realm: Realm, provider: Provider, asked: AuthorizationRequest) -> ResponseReturnValue:
    return send_failure(realm, provider, asked, provider.dialog.denial(realm))


def send_failure(
    realm: Realm, provider: Provider, asked: AuthorizationRequest, parameters: dict[str, str]
) -> ResponseReturnValue:
    issuer = issuer_of(realm, provider, "iss_on_denial")
    return send(asked.denial_uri, parameters | state_of(asked) | issuer, provider.dialog.fragment)


def state_of(asked: AuthorizationRequest) -> dict[str, str]:
    return {"state": asked.parameters["state"]} if "state" in asked.parameters else {}


def issuer_of(realm: Realm, provider: Provider, switch: str) -> dict[str, str]:
    """``iss`` (RFC 9207), from the providers that have an issuer, while their switch is on."""
    if provider.dialog.iss and realm.is_on("iss") and realm.is_on(switch):
        return {"iss": provider.dialog.iss}
    return {}


def send(uri: str, parameters: dict[str, str], fragment: str = "") -> ResponseReturnValue:
    separator = "&" if "?" in uri else "?"
    return redirect(uri + separator + urlencode(parameters) + fragment)
