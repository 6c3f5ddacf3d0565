"""The door to a provider: every request is logged, may meet a fault, and is answered under the lock."""

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Blueprint, Response, make_response

from sandbox.engine.authorize import authorize
from sandbox.engine.consent import decide
from sandbox.engine.journal import current_request
from sandbox.engine.pages import error_page
from sandbox.engine.provider import Provider, Route, View
from sandbox.engine.realm import Realm
from sandbox.engine.refusal import Halt, Refusal
from sandbox.faults.play import play
from sandbox.world import World


def blueprint_for(world: World, provider: Provider) -> Blueprint:
    """All of one provider's routes, beneath its name."""
    blueprint = Blueprint(provider.name, __name__, url_prefix=f"/{provider.name}")
    for number, route in enumerate((*browser_routes(provider), *provider.routes)):
        blueprint.add_url_rule(
            route.rule,
            endpoint=str(number),
            view_func=guarded(world, provider, route),
            methods=route.methods,
            provide_automatic_options=False,
        )
    return blueprint


def browser_routes(provider: Provider) -> list[Route]:
    pages = [
        Route(rule, partial(authorize, provider=provider), "authorize") for rule in provider.authorize_rules
    ]
    return [*pages, Route("/consent", partial(decide, provider=provider), "consent", ("POST",))]


def guarded(world: World, provider: Provider, route: Route) -> Callable[..., Response]:
    def view(**arguments: Any) -> Response:
        def work() -> Response:
            return world.transact(
                lambda: answer(world.realms[provider.name], provider, route.view, arguments)
            )

        endpoint = route.endpoint if isinstance(route.endpoint, str) else route.endpoint()
        entry = current_request(provider.name, endpoint)
        with world.lock:
            world.journal.add(entry)
            fault = world.boards[provider.name].take(endpoint)
        if fault is None:
            response = work()
        else:
            response = play(fault, provider, world.gates[provider.name], world.stopping, work)
        entry.status = response.status_code
        return response

    return view


def answer(realm: Realm, provider: Provider, view: View, arguments: dict[str, Any]) -> Response:
    """What the provider says, also when it says no."""
    try:
        return make_response(view(realm, **arguments))
    except Refusal as refusal:
        return make_response(provider.refuse(realm, refusal))
    except Halt as halt:
        return make_response(error_page(provider, halt))
