"""The user's decision on the consent page, and the grant and code that come of it."""

from flask import request
from flask.typing import ResponseReturnValue

from sandbox.engine import callback, codes
from sandbox.engine.provider import Provider
from sandbox.engine.realm import Realm
from sandbox.engine.records import AuthorizationRequest
from sandbox.engine.refusal import Halt


def decide(realm: Realm, provider: Provider) -> ResponseReturnValue:
    """The form's answer: a redirect to the client, with a code or with a denial."""
    asked = realm.requests.pop(request.form.get("request", ""), None)
    if asked is None:
        raise Halt("unknown_request", "This page was answered before, or is too old. Start again.")
    if request.form.get("decision") != "allow":
        return callback.denied(realm, provider, asked)
    left = {*request.form.getlist("scope"), *provider.dialog.firm_scopes}
    ticked = [scope for scope in asked.scopes if scope in left]
    return allow(realm, provider, asked, known_account(realm, request.form.get("account", "")), ticked)


def known_account(realm: Realm, key: str) -> str:
    account = realm.accounts.get(key)
    if account is None:
        raise Halt("unknown_account", "There is no such account.")
    if account.banned:
        raise Halt("account_disabled", "This account has been disabled.", 403)
    return key


def allow(
    realm: Realm, provider: Provider, asked: AuthorizationRequest, account: str, ticked: list[str]
) -> ResponseReturnValue:
    scopes = provider.dialog.granted(realm, asked, account, ticked)
    grant = realm.grant(asked.client_id, account)
    grant.granted_at = realm.now()
    grant.scopes = list(dict.fromkeys(grant.scopes + scopes))
    code = codes.issue(realm, asked, account, scopes, provider.dialog.code_prefix)
    extra = provider.dialog.extra(realm, asked, grant)
    return callback.succeeded(realm, provider, asked, {"code": code.value} | extra)
