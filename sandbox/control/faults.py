"""Faults of a provider: order one, see them, clear them, release what is held."""

from typing import Any

from flask import Response, jsonify
from werkzeug.exceptions import BadRequest

from sandbox.control.wire import Routes, body, known
from sandbox.faults.board import ENDPOINTS, Fault
from sandbox.faults.play import KINDS
from sandbox.world import World


def show_faults(world: World, provider: str) -> Response:
    """The faults that wait, and how many requests are held right now."""
    with world.lock:
        board = world.boards[known(world, provider)]
        return jsonify(faults=board.waiting(), held=world.gates[provider].held)


def order_fault(world: World, provider: str) -> Response:
    fault = fault_from(body("endpoint", "kind"))
    with world.lock:
        world.boards[known(world, provider)].add(fault)
    return jsonify(ordered=fault.kind)


def fault_from(sent: dict[str, Any]) -> Fault:
    endpoint, kind, times = sent.pop("endpoint"), sent.pop("kind"), sent.pop("times", 1)
    if endpoint not in ENDPOINTS:
        raise BadRequest(f"No endpoint {endpoint!r}; there are {', '.join(sorted(ENDPOINTS))}.")
    if kind not in KINDS:
        raise BadRequest(f"No fault {kind!r}; there are {', '.join(sorted(KINDS))}.")
    if kind == "redirect" and "url" not in sent:
        raise BadRequest("A redirect needs a url.")
    return Fault(endpoint, kind, int(times), sent)


def clear_faults(world: World, provider: str) -> Response:
    with world.lock:
        world.boards[known(world, provider)].clear()
    return jsonify(cleared=True)


def release(world: World, provider: str) -> Response:
    return jsonify(released=world.gates[known(world, provider)].release())


ROUTES: Routes = (
    ("GET", "/<provider>/faults", show_faults),
    ("POST", "/<provider>/faults", order_fault),
    ("DELETE", "/<provider>/faults", clear_faults),
    ("POST", "/<provider>/release", release),
)
