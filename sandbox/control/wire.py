"""Reading the control API's bodies and paths, with a clear 400 or 404 when they are wrong."""

from collections.abc import Callable
from typing import Any

from flask import Response, request
from werkzeug.exceptions import BadRequest, NotFound

from sandbox.engine.realm import Realm
from sandbox.world import World

Routes = tuple[tuple[str, str, Callable[..., Response]], ...]


def body(*required: str) -> dict[str, Any]:
    """The JSON object that was sent. Its content type is demanded: no foreign web page can send that."""
    sent = request.get_json()
    if not isinstance(sent, dict):
        raise BadRequest("The body must be a JSON object.")
    missing = [name for name in required if name not in sent]
    if missing:
        raise BadRequest(f"The body lacks {', '.join(missing)}.")
    return sent


def known(world: World, provider: str) -> str:
    if provider not in world.providers:
        raise NotFound(f"There is no provider {provider!r}.")
    return provider


def realm_of(world: World, provider: str) -> Realm:
    return world.realms[known(world, provider)]


def account_in(realm: Realm, sent: dict[str, Any]) -> str:
    key = str(sent.get("account", ""))
    if key not in realm.accounts:
        raise NotFound(f"There is no account {key!r}.")
    return key
