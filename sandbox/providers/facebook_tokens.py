"""Facebook's token endpoint: codes, and the exchange for a long-lived token. There are no refresh tokens."""

from flask import request
from flask.typing import ResponseReturnValue

from sandbox.engine import answers, exchange, incoming, tokens
from sandbox.engine.credentials import Presented, authenticate
from sandbox.engine.realm import Realm
from sandbox.engine.records import Client, Token
from sandbox.engine.refusal import Reason, Refusal
from sandbox.providers.facebook_access import user_token

SHORT = 3600
LONG = 60 * tokens.DAY
LONGEST_SHORT = 2 * SHORT


def token(realm: Realm) -> ResponseReturnValue:
    """GET as documented, POST as many clients do; parameters come in the query or in the form."""
    if request.method == "POST" and not realm.is_on("post_exchange"):
        raise Refusal(Reason.METHOD_REFUSED)
    sent = incoming.query_and_form()
    shown = Presented("body" if sent.get("client_secret") else "public", *credentials(sent))
    client = authenticate(realm, shown, "body")
    grant_type = sent.get("grant_type", "authorization_code")
    if grant_type == "fb_exchange_token":
        return exchange_token(realm, client, incoming.required(sent, "fb_exchange_token"))
    if grant_type != "authorization_code":
        raise Refusal(Reason.GRANT_TYPE_UNSUPPORTED, grant_type)
    return exchange_code(realm, client, sent)


def credentials(sent: dict[str, str]) -> tuple[str, str]:
    return sent.get("client_id", ""), sent.get("client_secret", "")


def exchange_code(realm: Realm, client: Client, sent: dict[str, str]) -> ResponseReturnValue:
    code = exchange.spend_code(realm, client, sent)
    lifetime = tokens.access_lifetime(realm, SHORT if realm.is_on("short_token") else LONG)
    return issued(realm, client, code.account, tokens.new_family(), lifetime)


def exchange_token(realm: Realm, client: Client, value: str) -> ResponseReturnValue:
    """A living token becomes a long-lived one, with another value; whether it gains time is a switch."""
    old = user_token(realm, value)
    if old.client_id != client.client_id:
        raise Refusal(Reason.TOKEN_UNKNOWN)
    lifetime = tokens.access_lifetime(realm, LONG)
    if is_long(old) and not realm.is_on("extend_on_reexchange"):
        lifetime = int((old.expires_at or 0) - realm.now())
    return issued(realm, client, old.account, old.family, lifetime)


def is_long(token: Token) -> bool:
    return token.expires_at is None or token.expires_at - token.issued_at > LONGEST_SHORT


def issued(
    realm: Realm, client: Client, account: str, family: str, lifetime: int | None
) -> ResponseReturnValue:
    """Permissions belong to the user and the app, so every token has all of them."""
    access = tokens.issue(
        realm,
        "access",
        "EAA",
        client_id=client.client_id,
        account=account,
        scopes=realm.grant(client.client_id, account).scopes,
        family=family,
        lifetime=lifetime,
    )
    body: dict[str, object] = {"access_token": access.value, "token_type": "bearer"}
    return answers.reply(body if realm.is_on("omit_expires_in") else body | {"expires_in": lifetime})
