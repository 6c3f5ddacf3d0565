"""The pages: what a person sees, connects, repairs and removes in a browser. They work without any script."""

from __future__ import annotations

from flask import Blueprint, Flask

from . import activity, connections, front, secrets, showing, signing_in

blueprint = Blueprint("pages", __name__)

for part in (front, signing_in, connections, secrets, activity):
    blueprint.register_blueprint(part.blueprint)


def register(app: Flask) -> None:
    """Teach this application the words of its pages' addresses, and how its templates write moments."""
    app.url_map.converters["service"] = connections.ServiceName
    showing.register(app)
