"""The control API: what a test may do to a provider, and what it may see."""

from functools import partial

from flask import Blueprint

from sandbox.control import actions, faults, inspection, registry
from sandbox.control.wire import Routes
from sandbox.world import World

ROUTES: Routes = (*registry.ROUTES, *actions.ROUTES, *faults.ROUTES, *inspection.ROUTES)


def control_blueprint(world: World) -> Blueprint:
    blueprint = Blueprint("control", __name__, url_prefix="/control")
    for method, rule, view in ROUTES:
        bound = partial(view, world)
        blueprint.add_url_rule(rule, view.__name__, bound, methods=[method])
    return blueprint
