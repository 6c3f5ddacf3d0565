"""Latchkey. create_app binds, registers and returns: the one module that knows every room."""

from __future__ import annotations

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from app import cli, extensions, http
from config import Config, ConfigError


def create_app(config: Config) -> Flask:
    """Return the application that these settings describe. Opens no connection to anything."""
    app = Flask(__name__, static_folder="http/static", template_folder="http/templates")
    if app.debug and not config.may_debug:
        raise ConfigError(
            "FLASK_DEBUG: it gives visitors a console; leave it out, or set APP_ENV=development."
        )
    app.config.update(
        SECRET_KEY=config.secret_keys[0],
        SECRET_KEY_FALLBACKS=list(config.secret_keys[1:]),
        MAX_CONTENT_LENGTH=config.max_body_bytes,
    )
    extensions.bind(app, config)
    http.register(app, config)
    cli.register(app)
    if config.trusted_proxies:
        hops = config.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)  # type: ignore[method-assign]
    return app
