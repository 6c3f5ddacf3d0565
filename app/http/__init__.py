"""The door: routes, status codes, who is calling. One blueprint for each concern, one for each provider."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flask import Flask, Request
from flask_cors import CORS
from werkzeug.routing import MapAdapter

from app.providers import PROVIDERS
from config import Config

from . import (
    access_urls,
    accounts,
    audit,
    callback,
    connect,
    connections,
    errors,
    frame,
    gate,
    health,
    legacy_tokens,
    limits,
    metrics,
    openapi,
    pages,
    security_txt,
    services,
    sessions,
)
from .json_provider import JsonProvider
from .oauth import blueprint_for
from .wire import RowId

CONCERNS = (
    access_urls,
    audit,
    callback,
    connect,
    connections,
    health,
    legacy_tokens,
    metrics,
    openapi,
    pages,
    security_txt,
    services,
)


def register(app: Flask, config: Config) -> None:
    """Open the door: what every request passes, how failures are said, and every route."""
    app.json = JsonProvider(app)
    app.ensure_sync = _as_it_is  # type: ignore[method-assign, assignment]
    app.create_url_adapter = _binding_in(app)  # type: ignore[method-assign, assignment]
    app.url_map.merge_slashes = False  # a merged path is answered by a redirect with a page in it
    app.url_map.converters["row_id"] = RowId
    sessions.bind(app, config)
    for part in (metrics, errors, pages):
        part.register(app)
    for bound in (frame, gate, limits):
        bound.register(app, config)
    for concern in (*CONCERNS, accounts) if config.accounts_enabled else CONCERNS:
        app.register_blueprint(concern.blueprint)
    for provider in PROVIDERS:
        app.register_blueprint(blueprint_for(provider))
    if config.cors_origins:
        _allow(app, sorted(config.cors_origins))


def _as_it_is(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a view or a hook: none of ours is a coroutine, and Flask looks at each one at each request."""
    return function


def _binding_in(app: Flask) -> Callable[[Request | None], MapAdapter | None]:
    """Return what binds the routes to a request, by what the request has found of itself.

    Flask's own finds all of it once more, and looks for subdomains, which no route has. What is rare is left
    to it: another protocol, and no path, which is answered by a redirect.
    """
    own = app.create_url_adapter

    def bind(request: Request | None) -> MapAdapter | None:
        if request is None or "HTTP_UPGRADE" in request.environ or not request.environ.get("PATH_INFO"):
            return own(request)
        query = request.query_string.decode(errors="replace")
        where = (request.host, request.root_path, "", request.scheme)
        return app.url_map.bind(*where, request.method, request.path, query)

    return bind


def _allow(app: Flask, origins: list[str]) -> None:
    """Let pages of these origins call the API, letter by letter: as a text, an IPv6 origin is a pattern."""
    exactly = [re.compile(re.escape(origin) + r"\Z") for origin in origins]
    CORS(app, resources=r"/api/.*", origins=exactly, supports_credentials=True)
