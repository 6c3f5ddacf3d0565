"""GitHub's token endpoint: codes, expiring and lasting tokens, rotation, the cap of ten."""

from urllib.parse import urlencode

from flask import Response, jsonify, make_response, request
from flask.typing import ResponseReturnValue

from sandbox.engine import codes, exchange, incoming, tokens
from sandbox.engine.credentials import Presented, authenticate
from sandbox.engine.realm import Realm
from sandbox.engine.records import Client, Code, Token
from sandbox.engine.refusal import Reason, Refusal

REFRESH_LIFETIME = 15_897_600
UNUSED_LIFETIME = 365 * tokens.DAY
MOST_TOKENS = 10
FRESH_SECONDS = 60


def token(realm: Realm) -> ResponseReturnValue:
    """Credentials belong in the body, which may be a form or JSON."""
    sent = incoming.json_object() if request.is_json else request.form.to_dict()
    shown = Presented("body", sent.get("client_id", ""), sent.get("client_secret", ""))
    client = authenticate(realm, shown, "body")
    return exchange.by_grant_type(
        {"grant_type": "authorization_code"} | sent,
        code=lambda: exchange_code(realm, client, sent),
        refresh=lambda: refresh(realm, client, sent),
    )


def exchange_code(realm: Realm, client: Client, sent: dict[str, str]) -> ResponseReturnValue:
    """``redirect_uri`` may be left out, but if it is there it must be the same."""
    fallback = {"redirect_uri": codes.redirect_sent_with(realm, sent.get("code", ""))}
    code = exchange.spend_code(realm, client, fallback | sent)
    family = tokens.new_family()
    access = issue_access(realm, code, family)
    drop_surplus(realm, access)
    held = issue_refresh(realm, access) if access.expires_at else None
    return encoded(token_answer(realm, access, held))


def expires(realm: Realm, code: Code) -> bool:
    mode = realm.text("expiry")
    per_request = mode == "offline_access" and "offline_access" in code.request.scopes
    return mode == "expiring" or per_request or (mode != "none" and realm.is_on("app_mode"))


def issue_access(realm: Realm, code: Code, family: str) -> Token:
    lasting = None if not expires(realm, code) else 28_800
    return tokens.issue(
        realm,
        "access",
        "ghu_" if realm.is_on("app_mode") else "gho_",
        client_id=code.request.client_id,
        account=code.account,
        scopes=code.scopes,
        family=family,
        lifetime=tokens.access_lifetime(realm, lasting),
        idle_limit=UNUSED_LIFETIME,
    )


def issue_refresh(realm: Realm, access: Token) -> Token:
    return tokens.issue(
        realm,
        "refresh",
        "ghr_",
        client_id=access.client_id,
        account=access.account,
        scopes=access.scopes,
        family=access.family,
        idle_limit=REFRESH_LIFETIME,
    )


def drop_surplus(realm: Realm, newest: Token) -> None:
    """The eleventh token costs one: the oldest that was never used, else the one used longest ago."""
    now = realm.now()
    alike = [
        t
        for t in realm.tokens_of(newest.client_id, newest.account)
        if t.kind == "access" and t.state(now) == "live" and set(t.scopes) == set(newest.scopes)
    ]
    if len(alike) > MOST_TOKENS:
        unused = [t for t in alike if t.used_at is None and now - t.issued_at > FRESH_SECONDS]
        others = [t for t in alike if t is not newest]
        min(unused or others, key=lambda t: t.used_at or t.issued_at).end("revoked", now)


def refresh(realm: Realm, client: Client, sent: dict[str, str]) -> ResponseReturnValue:
    """A new pair; both old tokens die at once."""
    if "scope" in sent:
        raise Refusal(Reason.FIELD_FORBIDDEN, "scope")
    spent = tokens.refresh_token(realm, client, incoming.required(sent, "refresh_token"))
    tokens.retire_family_access(realm, spent)
    held = tokens.successor(realm, spent)
    access = tokens.issue(
        realm,
        "access",
        "ghu_" if realm.is_on("app_mode") else "gho_",
        client_id=held.client_id,
        account=held.account,
        scopes=held.scopes,
        family=held.family,
        lifetime=tokens.access_lifetime(realm, 28_800),
        idle_limit=UNUSED_LIFETIME,
    )
    return encoded(token_answer(realm, access, held))


def token_answer(realm: Realm, access: Token, held: Token | None) -> dict[str, object]:
    body: dict[str, object] = {"access_token": access.value}
    if held is not None and access.expires_at is not None:
        body["expires_in"] = round(access.expires_at - access.issued_at)
        body |= {"refresh_token": held.value, "refresh_token_expires_in": REFRESH_LIFETIME}
    return body | {"scope": ",".join(access.scopes), "token_type": "bearer"}


def encoded(body: dict[str, object] | dict[str, str]) -> Response:
    """JSON for who asks for it, a form for everybody else; 200 in either case."""
    if "application/json" in request.headers.get("Accept", ""):
        return make_response(jsonify(body), 200, {"Cache-Control": "no-store"})
    return Response(urlencode(body), 200, mimetype=incoming.FORM)
