"""Is it alive, and can it serve: for load balancers and operators. Answers whatever the host."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify

from app.services import parts

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def alive() -> Any:
    return jsonify({"status": "ok"})


@blueprint.get("/readyz")
def ready() -> Any:
    """A node that lacks a part still hands out tokens: to take it out of the balance would stop these too."""
    if part := parts.stopping():
        return jsonify({"status": "unavailable", "part": part}), 503
    if part := parts.lacking():
        return jsonify({"status": "degraded", "part": part})
    return jsonify({"status": "ok"})
