"""/api/openapi.json and /api/docs: the API described, for programs and for people."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, jsonify, render_template, request

from app.extensions import settings

from .document import build
from .reading import page_of

blueprint = Blueprint("openapi", __name__, url_prefix="/api")


@blueprint.get("/openapi.json")
def document() -> Response:
    response = jsonify(_document())
    response.add_etag()
    response.make_conditional(request)
    return response


@blueprint.get("/docs")
def reference() -> str:
    return render_template("reference.html", page=page_of(_document()))


def _document() -> dict[str, Any]:
    """Return the document, built at the first request: then every route is there."""
    app = current_app
    if "latchkey.openapi" not in app.extensions:
        app.extensions["latchkey.openapi"] = build(app, settings)
    found: dict[str, Any] = app.extensions["latchkey.openapi"]
    return found
