"""The front page: what this is, and where to go on."""

from __future__ import annotations

from flask import Blueprint, render_template

from app.providers import SERVICES

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
def front() -> str:
    return render_template("front.html", services=SERVICES)
