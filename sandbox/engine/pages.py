"""The pages that a person sees: consent and error."""

from dataclasses import dataclass

from flask import make_response, render_template
from flask.typing import ResponseReturnValue

from sandbox.engine.provider import Provider
from sandbox.engine.realm import Realm
from sandbox.engine.records import Account, AuthorizationRequest
from sandbox.engine.refusal import Halt

POLICY = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
HEADERS = {"Cache-Control": "no-store", "Content-Security-Policy": POLICY}


@dataclass(frozen=True)
class AccountChoice:
    key: str
    label: str
    hint: str
    declined: tuple[str, ...]


@dataclass(frozen=True)
class ScopeChoice:
    name: str
    text: str
    firm: bool


def consent_page(realm: Realm, provider: Provider, asked: AuthorizationRequest) -> ResponseReturnValue:
    page = render_template(
        "consent.html",
        provider=provider,
        client=realm.clients[asked.client_id],
        destination=asked.redirect_uri,
        request_id=asked.id,
        accounts=[account_choice(realm, asked, account) for account in realm.accounts.values()],
        scopes=[scope_choice(provider, scope) for scope in asked.scopes],
    )
    return make_response(page, 200, HEADERS)


def account_choice(realm: Realm, asked: AuthorizationRequest, account: Account) -> AccountChoice:
    profile = account.profile
    names = ("name", "display_name", "global_name", "login", "username")
    label = next((str(profile[name]) for name in names if profile.get(name)), account.key)
    grant = realm.grants.get((asked.client_id, account.key))
    declined = tuple(scope for scope in grant.declined if scope in asked.scopes) if grant else ()
    return AccountChoice(account.key, label, str(profile.get("email") or account.key), declined)


def scope_choice(provider: Provider, scope: str) -> ScopeChoice:
    return ScopeChoice(scope, provider.scope_texts.get(scope, ""), scope in provider.dialog.firm_scopes)


def error_page(provider: Provider, halt: Halt) -> ResponseReturnValue:
    page = render_template("error.html", provider=provider, code=halt.code, message=halt.message)
    return make_response(page, halt.status, HEADERS)
