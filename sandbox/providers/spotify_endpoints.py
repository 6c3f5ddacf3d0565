"""Spotify's endpoints: token and profile. There is no revoke endpoint."""

from collections.abc import Mapping

from flask.typing import ResponseReturnValue

from sandbox.engine import answers, exchange, incoming, tokens
from sandbox.engine.credentials import Presented, authenticate, presented
from sandbox.engine.realm import Realm
from sandbox.engine.records import Client, Code, Token
from sandbox.engine.refusal import Reason, Refusal

PRIVATE_FIELDS = ("email", "country", "product")


def token(realm: Realm) -> ResponseReturnValue:
    form = incoming.form()
    shown = presented(form)
    client = authenticate(realm, shown, "basic", "public")
    return exchange.by_grant_type(
        form,
        code=lambda: exchange_code(realm, client, shown, form),
        refresh=lambda: refresh(realm, client, shown, incoming.required(form, "refresh_token")),
    )


def exchange_code(
    realm: Realm, client: Client, shown: Presented, form: Mapping[str, str]
) -> ResponseReturnValue:
    public = shown.scheme == "public"
    if public and not form.get("code_verifier"):
        raise Refusal(Reason.CLIENT_AUTH_MISSING)
    if not public and form.get("code_verifier") and not realm.is_on("pkce_with_basic"):
        raise Refusal(Reason.METHOD_REFUSED)
    code = exchange.spend_code(realm, client, form)
    if public and not code.request.challenge:
        raise Refusal(Reason.CLIENT_AUTH_MISSING)
    held = issue_refresh_token(realm, code, public)
    return answers.reply(access_answer(realm, held) | {"refresh_token": held.value})


def issue_refresh_token(realm: Realm, code: Code, public: bool) -> Token:
    """It ends six months after the user's authorization, however often it is used."""
    return tokens.issue(
        realm,
        "refresh",
        "AQ",
        client_id=code.request.client_id,
        account=code.account,
        scopes=code.scopes,
        family=tokens.new_family(),
        lifetime=tokens.SIX_MONTHS,
        public_client=public,
    )


def access_answer(realm: Realm, held: Token) -> dict[str, object]:
    lifetime = tokens.access_lifetime(realm, 3600)
    access = tokens.issue(
        realm,
        "access",
        "BQ",
        client_id=held.client_id,
        account=held.account,
        scopes=held.scopes,
        family=held.family,
        lifetime=lifetime,
    )
    scope = " ".join(held.scopes)
    return {"access_token": access.value, "token_type": "Bearer", "expires_in": lifetime, "scope": scope}


def refresh(realm: Realm, client: Client, shown: Presented, value: str) -> ResponseReturnValue:
    held = tokens.refresh_token(realm, client, value)
    if held.public_client != (shown.scheme == "public"):
        raise Refusal(Reason.CLIENT_AUTH_MISSING)
    mode = "rotate" if held.public_client else realm.text("refresh_token_on_refresh")
    if mode == "rotate":
        held = tokens.successor(realm, held)
    body = access_answer(realm, held)
    return answers.reply(body if mode == "omit" else body | {"refresh_token": held.value})


def me(realm: Realm) -> ResponseReturnValue:
    access = tokens.access_token(realm, incoming.bearer())
    profile = realm.accounts[access.account].profile
    body = {"id": profile["id"], "display_name": profile["display_name"], "images": [], "type": "user"}
    if realm.is_on("account_id"):
        body["account_id"] = profile["account_id"]
    return answers.reply(body | {name: profile[name] for name in visible(realm, access)})


def visible(realm: Realm, access: Token) -> list[str]:
    """What the scopes open, unless the app is in development mode."""
    if realm.is_on("dev_mode"):
        return []
    scope_of = {"email": "user-read-email", "country": "user-read-private", "product": "user-read-private"}
    return [name for name in PRIVATE_FIELDS if scope_of[name] in access.scopes]
