"""Discord's endpoints: token, revoke, the user, the authorization."""

from datetime import UTC, datetime

from flask.typing import ResponseReturnValue

from sandbox.engine import answers, exchange, incoming, tokens
from sandbox.engine.credentials import authenticate, presented
from sandbox.engine.realm import Realm
from sandbox.engine.records import Client, Code, Token
from sandbox.engine.refusal import Reason, Refusal

HINTS = ("", "access_token", "refresh_token")
PUBLIC_FIELDS = ("id", "username", "global_name", "discriminator", "avatar")


def token(realm: Realm) -> ResponseReturnValue:
    form = incoming.form()
    client = authenticate(realm, presented(form), "basic", "body")
    return exchange.by_grant_type(
        form,
        code=lambda: exchange_code(realm, exchange.spend_code(realm, client, form)),
        refresh=lambda: refresh(realm, client, incoming.required(form, "refresh_token")),
    )


def exchange_code(realm: Realm, code: Code) -> ResponseReturnValue:
    held = tokens.issue(
        realm,
        "refresh",
        "",
        client_id=code.request.client_id,
        account=code.account,
        scopes=code.scopes,
        family=tokens.new_family(),
        lifetime=refresh_lifetime(realm),
    )
    return answers.reply(pair(realm, held))


def refresh_lifetime(realm: Realm) -> float | None:
    """Not documented, so none, unless the switch says how many seconds."""
    return None if realm.switches["refresh_ttl"] is None else realm.number("refresh_ttl")


def refresh(realm: Realm, client: Client, value: str) -> ResponseReturnValue:
    """The old refresh token is spent; the old access token lives on until it expires."""
    spent = tokens.refresh_token(realm, client, value, grace=realm.number("rotation_grace"))
    return answers.reply(pair(realm, tokens.successor(realm, spent)))


def pair(realm: Realm, held: Token) -> dict[str, object]:
    lifetime = tokens.access_lifetime(realm, 604_800)
    access = tokens.issue(
        realm,
        "access",
        "",
        client_id=held.client_id,
        account=held.account,
        scopes=held.scopes,
        family=held.family,
        lifetime=lifetime,
    )
    return {
        "access_token": access.value,
        "token_type": "Bearer",
        "expires_in": lifetime,
        "refresh_token": held.value,
        "scope": " ".join(held.scopes),
    }


def revoke(realm: Realm) -> ResponseReturnValue:
    """Any token of the user ends all of the app's tokens for that user."""
    form = incoming.form()
    client = authenticate(realm, presented(form), "basic", "body")
    value = incoming.required(form, "token")
    if form.get("token_type_hint", "") not in HINTS:
        raise Refusal(Reason.TOKEN_HINT_UNKNOWN)
    token = realm.tokens.get(value)
    if token is None or token.client_id != client.client_id or token.state(realm.now()) != "live":
        return already_gone(realm)
    realm.end_grant(token.client_id, token.account)
    return answers.reply({})


def already_gone(realm: Realm) -> ResponseReturnValue:
    if realm.number("dead_revoke_status") == 400:
        raise Refusal(Reason.ALREADY_GONE)
    return answers.reply({})


def user(realm: Realm) -> ResponseReturnValue:
    access = tokens.access_token(realm, incoming.bearer())
    if "identify" not in access.scopes:
        raise Refusal(Reason.SCOPE_LACKING)
    return answers.reply(shown(realm, access))


def shown(realm: Realm, access: Token) -> dict[str, object]:
    profile = realm.accounts[access.account].profile
    fields = (*PUBLIC_FIELDS, "email", "verified") if "email" in access.scopes else PUBLIC_FIELDS
    return {name: profile[name] for name in fields}


def authorization(realm: Realm) -> ResponseReturnValue:
    access = tokens.access_token(realm, incoming.bearer())
    expires = datetime.fromtimestamp(access.expires_at or 0, UTC).isoformat()
    body = {
        "application": {"id": access.client_id, "name": realm.clients[access.client_id].name},
        "scopes": access.scopes,
        "expires": expires,
    }
    return answers.reply(body | ({"user": shown(realm, access)} if "identify" in access.scopes else {}))
