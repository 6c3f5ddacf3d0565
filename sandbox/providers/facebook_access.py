"""Who calls the Graph API: a user's token or the app's own, with ``appsecret_proof``."""

import hashlib
import hmac
from dataclasses import dataclass

from sandbox.engine import incoming, tokens
from sandbox.engine.credentials import same
from sandbox.engine.realm import Realm
from sandbox.engine.records import Client, Token
from sandbox.engine.refusal import Reason, Refusal


@dataclass(frozen=True)
class Caller:
    """``token`` is None when the app itself calls."""

    client: Client
    token: Token | None


def caller(realm: Realm) -> Caller:
    value = incoming.bearer() or incoming.query_and_form().get("access_token", "")
    app_id, bar, secret = value.partition("|")
    if bar:
        client, token = app(realm, app_id, secret), None
    else:
        token = user_token(realm, value)
        client = realm.clients[token.client_id]
    check_proof(realm, client, value)
    return Caller(client, token)


def app(realm: Realm, app_id: str, secret: str) -> Client:
    client = realm.clients.get(app_id)
    if client is None or not same(secret, client.client_secret):
        raise Refusal(Reason.TOKEN_UNKNOWN)
    return client


def user_token(realm: Realm, value: str) -> Token:
    """A removed app's token says which application the user has not authorized."""
    try:
        return tokens.access_token(realm, value)
    except Refusal as refusal:
        if refusal.reason is Reason.TOKEN_REVOKED:
            raise Refusal(refusal.reason, realm.tokens[value].client_id) from None
        raise


def check_proof(realm: Realm, client: Client, value: str) -> None:
    """A proof that is there must be right, also where it is not demanded."""
    shown = incoming.query_and_form().get("appsecret_proof", "")
    if not shown:
        if realm.is_on("require_appsecret_proof"):
            raise Refusal(Reason.PROOF_MISSING)
        return
    proof = hmac.new(client.client_secret.encode(), value.encode(), hashlib.sha256).hexdigest()
    if not same(shown, proof):
        raise Refusal(Reason.PROOF_WRONG)
