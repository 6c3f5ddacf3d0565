"""Facebook's permissions of a user: listing them, removing one, removing the app."""

from flask import Response
from flask.typing import ResponseReturnValue

from sandbox.engine import answers
from sandbox.engine.realm import Realm
from sandbox.engine.records import Grant
from sandbox.engine.refusal import Reason, Refusal
from sandbox.providers.facebook_access import Caller, caller


def listed(realm: Realm, user_id: str) -> ResponseReturnValue:
    asking = caller(realm)
    grant = realm.grants.get((asking.client.client_id, account_of(realm, asking, user_id)))
    return answers.reply({"data": statuses(grant) if grant else []})


def statuses(grant: Grant) -> list[dict[str, str]]:
    granted = [{"permission": name, "status": "granted"} for name in grant.scopes]
    return granted + [{"permission": name, "status": "declined"} for name in grant.declined]


def removed(realm: Realm, user_id: str, name: str = "") -> ResponseReturnValue:
    """Without a name the app goes, and every token with it."""
    asking = caller(realm)
    account = account_of(realm, asking, user_id)
    grant = realm.grants.get((asking.client.client_id, account))
    if grant is None:
        return already_gone(realm, asking.client.client_id)
    if name:
        remove_one(realm, grant, name)
    else:
        realm.end_grant(grant.client_id, account)
    return done(realm)


def remove_one(realm: Realm, grant: Grant, name: str) -> None:
    grant.scopes = [scope for scope in grant.scopes if scope != name]
    for token in realm.tokens_of(grant.client_id, grant.account):
        token.scopes = list(grant.scopes)


def account_of(realm: Realm, asking: Caller, user_id: str) -> str:
    """A user's token reaches its own user; the app's token reaches all."""
    if asking.token is not None:
        own = realm.accounts[asking.token.account]
        if user_id in ("me", own.profile["id"]):
            return own.key
        raise Refusal(Reason.NOT_FOUND)
    for account in realm.accounts.values():
        if account.profile["id"] == user_id:
            return account.key
    raise Refusal(Reason.NOT_FOUND)


def already_gone(realm: Realm, client_id: str) -> ResponseReturnValue:
    """Only the app's token gets here: a user's own token died with the permission."""
    if realm.text("app_token_already_gone") == "success":
        return done(realm)
    raise Refusal(Reason.TOKEN_REVOKED, client_id)


def done(realm: Realm) -> ResponseReturnValue:
    if realm.text("revoke_answer") == "true":
        return Response("true", mimetype="application/json")
    return answers.reply({"success": True})
