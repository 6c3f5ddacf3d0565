"""The front page: what this is, for whoever is not signed in."""

from __future__ import annotations

from flask import Blueprint, Response, redirect, url_for
from werkzeug.wrappers import Response as AnyResponse

from app.providers import SERVICES

from .showing import show
from .visiting import visitor

blueprint = Blueprint("front", __name__)


@blueprint.get("/")
def front() -> Response | AnyResponse:
    if visitor() is not None:
        return redirect(url_for("pages.connections.every"))
    return show("front.html", None, services=SERVICES)
