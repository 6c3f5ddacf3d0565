"""The Flask application: five providers and the control API."""

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from sandbox.control import control_blueprint
from sandbox.door import blueprint_for
from sandbox.engine.journal import current_request
from sandbox.world import World


def create_app(world: World) -> Flask:
    app = Flask("sandbox")
    for provider in world.providers.values():
        app.register_blueprint(blueprint_for(world, provider))
    app.register_blueprint(control_blueprint(world))

    @app.errorhandler(HTTPException)
    def failed(error: HTTPException) -> tuple[Response, int]:
        status = error.code or 500
        log_stray(world, status)
        return jsonify(error=error.name, detail=error.description), status

    return app


def log_stray(world: World, status: int) -> None:
    """A request for a path that the provider does not have belongs in the log too."""
    name = request.path.split("/")[1]
    if name in world.providers and request.url_rule is None:
        entry = current_request(name, "none")
        entry.status = status
        with world.lock:
            world.journal.add(entry)
