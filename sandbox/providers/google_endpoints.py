"""Google's endpoints: token, revoke, userinfo, tokeninfo."""

from flask import request
from flask.typing import ResponseReturnValue

from sandbox.engine import answers, exchange, incoming, tokens
from sandbox.engine.credentials import authenticate, presented
from sandbox.engine.realm import Realm
from sandbox.engine.records import Client, Code, Token
from sandbox.engine.refusal import Reason, Refusal
from sandbox.providers.google_id_token import id_token

ISSUER = "https://accounts.google.com"
AUTH = "https://www.googleapis.com/auth/"
ALIASES = {"email": AUTH + "userinfo.email", "profile": AUTH + "userinfo.profile"}
IDENTITY_SCOPES = {"openid", *ALIASES.values()}
MOST_REFRESH_TOKENS = 100
TESTING_LIFETIME = 7 * tokens.DAY


def token(realm: Realm) -> ResponseReturnValue:
    form = incoming.form()
    client = authenticate(realm, presented(form), "basic", "body")
    return exchange.by_grant_type(
        form,
        code=lambda: exchange_code(realm, client, exchange.spend_code(realm, client, form)),
        refresh=lambda: refresh(realm, client, incoming.required(form, "refresh_token")),
    )


def exchange_code(realm: Realm, client: Client, code: Code) -> ResponseReturnValue:
    family = tokens.new_family()
    body = access_answer(realm, client, code.account, code.scopes, family)
    if wants_refresh_token(realm, code):
        body |= refresh_answer(realm, code, family)
    if "openid" in code.scopes:
        profile = realm.accounts[code.account].profile
        body["id_token"] = id_token(ISSUER, client, profile, realm.now())
        realm.issued.append(str(body["id_token"]))
    return answers.reply(body)


def access_answer(
    realm: Realm, client: Client, account: str, scopes: list[str], family: str
) -> dict[str, object]:
    lifetime = tokens.access_lifetime(realm, 3599)
    access = tokens.issue(
        realm,
        "access",
        "ya29.a0",
        client_id=client.client_id,
        account=account,
        scopes=scopes,
        family=family,
        lifetime=lifetime,
    )
    scope = " ".join(scopes)
    return {"access_token": access.value, "expires_in": lifetime, "scope": scope, "token_type": "Bearer"}


def wants_refresh_token(realm: Realm, code: Code) -> bool:
    """Offline access, and either the first time or asked for consent once more."""
    asked = code.request.parameters
    first = not realm.grant(code.request.client_id, code.account).offline
    return asked.get("access_type") == "offline" and (first or "consent" in asked.get("prompt", "").split())


def refresh_answer(realm: Realm, code: Code, family: str) -> dict[str, object]:
    limited = realm.is_on("testing_mode") and not IDENTITY_SCOPES.issuperset(code.scopes)
    refresh_token = tokens.issue(
        realm,
        "refresh",
        "1//0g",
        client_id=code.request.client_id,
        account=code.account,
        scopes=code.scopes,
        family=family,
        lifetime=TESTING_LIFETIME if limited else None,
        idle_limit=tokens.SIX_MONTHS,
    )
    realm.grant(code.request.client_id, code.account).offline = True
    drop_oldest(realm, refresh_token)
    body: dict[str, object] = {"refresh_token": refresh_token.value}
    return body | {"refresh_token_expires_in": TESTING_LIFETIME - 1} if limited else body


def drop_oldest(realm: Realm, newest: Token) -> None:
    """Beyond 100 live refresh tokens per account and client, the oldest goes without a word."""
    now = realm.now()
    mine = realm.tokens_of(newest.client_id, newest.account)
    live = [t for t in mine if t.kind == "refresh" and t.state(now) == "live"]
    for old in live[:-MOST_REFRESH_TOKENS]:
        old.end("revoked", now)


def refresh(realm: Realm, client: Client, value: str) -> ResponseReturnValue:
    """A new access token; the refresh token stays and is not repeated."""
    held = tokens.refresh_token(realm, client, value)
    return answers.reply(access_answer(realm, client, held.account, held.scopes, held.family))


def revoke(realm: Realm) -> ResponseReturnValue:
    """Either token ends the user's whole grant. An expired one ends nothing."""
    token = realm.tokens.get(incoming.required(incoming.form(), "token"))
    if token is None or token.state(realm.now()) != "live":
        raise Refusal(Reason.ALREADY_GONE)
    for client_id in clients_of_project(realm, token.client_id):
        realm.end_grant(client_id, token.account)
    return answers.reply({})


def clients_of_project(realm: Realm, client_id: str) -> list[str]:
    project = realm.clients[client_id].project
    if not project or not realm.is_on("revoke_across_project"):
        return [client_id]
    return [client.client_id for client in realm.clients.values() if client.project == project]


def no_such_page(realm: Realm) -> ResponseReturnValue:
    raise Refusal(Reason.NOT_FOUND)


def userinfo(realm: Realm) -> ResponseReturnValue:
    access = tokens.access_token(realm, incoming.bearer())
    if not IDENTITY_SCOPES.intersection(access.scopes):
        raise Refusal(Reason.SCOPE_LACKING)
    profile = realm.accounts[access.account].profile
    fields = ["sub"]
    fields += ["email", "email_verified"] if ALIASES["email"] in access.scopes else []
    fields += ["name", "picture"] if ALIASES["profile"] in access.scopes else []
    return answers.reply({name: profile[name] for name in fields})


def tokeninfo(realm: Realm) -> ResponseReturnValue:
    access = realm.tokens.get(request.args.get("access_token", ""))
    if access is None or access.kind != "access" or access.state(realm.now()) != "live":
        return answers.error(400, "invalid_token", "Invalid Value")
    profile = realm.accounts[access.account].profile
    left = int((access.expires_at or 0) - realm.now())
    about = {"aud": access.client_id, "azp": access.client_id, "sub": profile["sub"]}
    return answers.reply(about | {"scope": " ".join(access.scopes), "expires_in": str(left)})
