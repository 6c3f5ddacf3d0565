"""What a test may look at: live grants, the state of a token, the request log, every secret issued."""

from typing import Any

from flask import Response, jsonify, request

from sandbox.control.wire import Routes, body, realm_of
from sandbox.engine.journal import LONGEST
from sandbox.engine.realm import Realm
from sandbox.engine.records import Grant
from sandbox.world import World


def show_grants(world: World, provider: str) -> Response:
    with world.lock:
        return jsonify(overview(realm_of(world, provider)))


def overview(realm: Realm) -> dict[str, Any]:
    grants = [described(realm, grant) for grant in realm.grants.values()]
    counts = {kind: sum(len(g[kind]) for g in grants) for kind in ("access_tokens", "refresh_tokens")}
    return {"grants": grants, "counts": {"grants": len(grants), **counts}}


def described(realm: Realm, grant: Grant) -> dict[str, Any]:
    """A grant with the values of its live tokens."""
    now = realm.now()
    live = [t for t in realm.tokens_of(grant.client_id, grant.account) if t.state(now) == "live"]
    return {
        "client_id": grant.client_id,
        "account": grant.account,
        "scopes": grant.scopes,
        "declined": grant.declined,
        "granted_at": grant.granted_at,
        "access_tokens": [t.value for t in live if t.kind == "access"],
        "refresh_tokens": [t.value for t in live if t.kind == "refresh"],
    }


def token_state(world: World, provider: str) -> Response:
    value = str(body("token")["token"])
    with world.lock:
        realm = realm_of(world, provider)
        token = realm.tokens.get(value)
        return jsonify(state=token.state(realm.now()) if token else "unknown")


def show_log(world: World) -> Response:
    given = request.args
    since, last = given.get("since", 0, int), max(0, given.get("last", LONGEST, int))
    with world.lock:
        return jsonify(world.journal.since(since, given.get("provider"), last))


def empty_log(world: World) -> Response:
    with world.lock:
        world.journal.clear()
    return jsonify(cleared=True)


def show_issued(world: World) -> Response:
    """Every code and token ever issued, to look for in places where none may be."""
    with world.lock:
        return jsonify([value for realm in world.realms.values() for value in realm.issued])


ROUTES: Routes = (
    ("GET", "/<provider>/grants", show_grants),
    ("POST", "/<provider>/token-state", token_state),
    ("GET", "/log", show_log),
    ("DELETE", "/log", empty_log),
    ("GET", "/issued", show_issued),
)
