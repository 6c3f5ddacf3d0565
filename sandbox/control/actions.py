"""What befalls users and tokens at a provider: expiry, removal of the app, a ban, rotation, time."""

from typing import Any

from flask import Response, jsonify

from sandbox.control.wire import Routes, account_in, body, realm_of
from sandbox.engine import tokens
from sandbox.engine.realm import Realm
from sandbox.engine.records import Token
from sandbox.world import World


def expire(realm: Realm, sent: dict[str, Any]) -> dict[str, Any]:
    """The one token named, or all live access tokens of the account, end now."""
    chosen = [t for t in live(realm, sent) if t.value == sent.get("token", t.value)]
    if "token" not in sent:
        chosen = [t for t in chosen if t.kind == "access"]
    for token in chosen:
        token.expires_at = realm.now()
    return {"expired": len(chosen)}


def revoke(realm: Realm, sent: dict[str, Any]) -> dict[str, Any]:
    """The user removed the app: the account's grants end, all of them or one client's."""
    account = account_in(realm, sent)
    ended = [g for g in realm.grants.values() if g.account == account]
    ended = [g for g in ended if g.client_id == sent.get("client_id", g.client_id)]
    for grant in ended:
        realm.end_grant(grant.client_id, account)
    return {"revoked": len(ended)}


def ban(realm: Realm, sent: dict[str, Any]) -> dict[str, Any]:
    """The account is disabled (or, with ``banned`` false, back again) and its grants end."""
    account = realm.accounts[account_in(realm, sent)]
    account.banned = bool(sent.get("banned", True))
    return revoke(realm, sent) if account.banned else {"revoked": 0}


def rotate(realm: Realm, sent: dict[str, Any]) -> dict[str, Any]:
    """Live refresh tokens of the account are replaced, as if another process had refreshed."""
    old = [t for t in live(realm, sent) if t.kind == "refresh"]
    return {"rotated": [{"old": t.value, "new": tokens.successor(realm, t).value} for t in old]}


def age(realm: Realm, sent: dict[str, Any]) -> dict[str, Any]:
    """This provider's clock moves, for code lifetimes, token expiry and Spotify's six months."""
    realm.shift += float(sent["seconds"])
    return {"shift": realm.shift}


def live(realm: Realm, sent: dict[str, Any]) -> list[Token]:
    if "token" in sent:
        named = realm.tokens.get(str(sent["token"]))
        return [named] if named is not None else []
    account = account_in(realm, sent)
    return [t for t in realm.tokens.values() if t.account == account and t.state(realm.now()) == "live"]


ACTIONS = {"expire": expire, "revoke": revoke, "ban": ban, "rotate": rotate, "age": age}


def act(world: World, provider: str, action: str) -> Response:
    sent = body("seconds") if action == "age" else body()
    return jsonify(world.transact(lambda: ACTIONS[action](realm_of(world, provider), sent)))


def reset(world: World) -> Response:
    world.transact(world.reset)
    return jsonify(reset=True)


ROUTES: Routes = (
    ("POST", "/<provider>/<any(expire, revoke, ban, rotate, age):action>", act),
    ("POST", "/reset", reset),
)
