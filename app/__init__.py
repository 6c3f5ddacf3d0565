"""Latchkey. create_app binds, registers and returns: the one module that knows every room."""

from __future__ import annotations

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from app import cli, extensions, http
from app.extensions import UserLoader
from config import Config, ConfigError


def create_app(config: Config, *, mounted_at: str = "", user_loader: UserLoader | None = None) -> Flask:
    """Return the application that these settings describe. Opens no connection to anything.

    A host application that mounts it at a path of its own says which: the path is part of every address that
    is told. Its `user_loader` says who is signed in there, for the pages. Raises ConfigError.
    """
    config = config.mounted(mounted_at)
    app = Flask(__name__, static_folder="http/static", template_folder="http/templates")
    _check(app, config, user_loader)
    app.config.update(
        SECRET_KEY=config.secret_keys[0],
        SECRET_KEY_FALLBACKS=list(config.secret_keys[1:]),
        MAX_CONTENT_LENGTH=config.max_body_bytes,
    )
    extensions.bind(app, config, user_loader)
    http.register(app, config)
    cli.register(app)
    if config.trusted_proxies:
        hops = config.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)  # type: ignore[method-assign]
    return app


def _check(app: Flask, config: Config, user_loader: UserLoader | None) -> None:
    """Raise ConfigError for what is dangerous only together."""
    if app.debug and not config.may_debug:
        raise ConfigError(
            "FLASK_DEBUG: it gives visitors a console; leave it out, or set APP_ENV=development."
        )
    if user_loader is not None and config.accounts_enabled:
        raise ConfigError(
            "ACCOUNTS_ENABLED: the ids that a user_loader tells may be those of other people here; "
            "set it to false, or PROVISION_USERS to true."
        )
