"""Is it alive, and can it serve: for load balancers and operators. Answers whatever the host."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify
from sqlalchemy.exc import SQLAlchemyError

from app.services import readiness

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def alive() -> Any:
    return jsonify({"status": "ok"})


@blueprint.get("/readyz")
def ready() -> Any:
    part = _what_is_not()
    return (
        jsonify({"status": "ok"}) if part is None else (jsonify({"status": "unavailable", "part": part}), 503)
    )


def _what_is_not() -> str | None:
    try:
        readiness.check()
    except readiness.StoreMismatch:
        return "schema or keys"
    except SQLAlchemyError:
        return "database"
    return None
