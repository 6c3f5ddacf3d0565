"""GitHub's API for the user behind a token."""

from flask import request
from flask.typing import ResponseReturnValue

from sandbox.engine import answers, incoming, tokens
from sandbox.engine.realm import Realm
from sandbox.engine.records import Token
from sandbox.engine.refusal import Reason, Refusal

EMAIL_SCOPES = {"user", "user:email"}


def demand_user_agent() -> None:
    if not request.headers.get("User-Agent"):
        raise Refusal(Reason.USER_AGENT_MISSING)


def bearer_token(realm: Realm) -> Token:
    demand_user_agent()
    return tokens.access_token(realm, incoming.bearer("bearer", "token"))


def public_profile(realm: Realm, token: Token) -> dict[str, object]:
    profile = realm.accounts[token.account].profile
    return {name: profile[name] for name in ("id", "login", "name", "email")} | {"type": "User"}


def user(realm: Realm) -> ResponseReturnValue:
    token = bearer_token(realm)
    return answers.reply(public_profile(realm, token), 200, scope_headers(token))


def scope_headers(token: Token) -> dict[str, str]:
    return {"X-OAuth-Scopes": ", ".join(token.scopes), "X-RateLimit-Remaining": "4999"}


def emails(realm: Realm) -> ResponseReturnValue:
    """Without the scope GitHub denies that there is such a page. An App's tokens have no scopes."""
    token = bearer_token(realm)
    if not EMAIL_SCOPES.intersection(token.scopes) and not realm.is_on("app_mode"):
        raise Refusal(Reason.SCOPE_LACKING)
    profile = realm.accounts[token.account].profile
    other = f"{profile['id']}+{profile['login']}@users.noreply.example.com"
    return answers.reply(
        [
            {"email": other, "primary": False, "verified": True, "visibility": None},
            {"email": profile["primary_email"], "primary": True, "verified": True, "visibility": "private"},
        ]
    )
