"""GitHub's API for an application's own tokens: end all, end one, check, reset."""

from datetime import UTC, datetime

from flask import Response
from flask.typing import ResponseReturnValue

from sandbox.engine import answers, incoming, tokens
from sandbox.engine.credentials import authenticate, presented
from sandbox.engine.realm import Realm
from sandbox.engine.records import Token
from sandbox.engine.refusal import Reason, Refusal
from sandbox.providers.github_users import demand_user_agent, public_profile


def delete_grant(realm: Realm, client_id: str) -> ResponseReturnValue:
    """The authorization ends, and with it all of the user's tokens for the app."""
    token = named_token(realm, client_id, Reason.ALREADY_GONE)
    realm.end_grant(token.client_id, token.account)
    return Response(status=204)


def delete_token(realm: Realm, client_id: str) -> ResponseReturnValue:
    """One token ends, with the refresh token that belongs to it; the authorization stays."""
    for relative in realm.family(named_token(realm, client_id, Reason.ALREADY_GONE)):
        relative.end("revoked", realm.now())
    return Response(status=204)


def check_token(realm: Realm, client_id: str) -> ResponseReturnValue:
    return answers.reply(described(realm, named_token(realm, client_id, Reason.NOT_FOUND)))


def reset_token(realm: Realm, client_id: str) -> ResponseReturnValue:
    old = named_token(realm, client_id, Reason.NOT_FOUND)
    return answers.reply(described(realm, tokens.successor(realm, old)))


def named_token(realm: Realm, client_id: str, otherwise: Reason) -> Token:
    """The live access token of this client in the JSON body. Basic authentication alone counts."""
    demand_user_agent()
    client = authenticate(realm, presented({}), "basic")
    if client.client_id != client_id:
        raise Refusal(Reason.CLIENT_UNKNOWN)
    token = realm.tokens.get(incoming.required(incoming.json_object(), "access_token"))
    if token is None or token.client_id != client_id or not is_live_access(realm, token):
        raise Refusal(otherwise)
    return token


def is_live_access(realm: Realm, token: Token) -> bool:
    return token.kind == "access" and token.state(realm.now()) == "live"


def described(realm: Realm, token: Token) -> dict[str, object]:
    return {
        "token": token.value,
        "token_last_eight": token.value[-8:],
        "scopes": token.scopes,
        "created_at": timestamp(token.issued_at),
        "expires_at": timestamp(token.expires_at) if token.expires_at else None,
        "app": {"client_id": token.client_id, "name": realm.clients[token.client_id].name},
        "user": public_profile(realm, token),
    }


def timestamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
