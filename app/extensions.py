"""What an application is bound to: unbound here, bound by create_app, and looked up per application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from flask import Flask, current_app
from flask_jwt_extended import JWTManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from redis import Redis
from werkzeug.local import LocalProxy

from app.memory import Memory
from app.models import Base, engines
from app.models.direct import Direct
from app.models.reserving import Ids
from app.oauth.issuer_keys import IssuerKeys, keys_for
from app.oauth.lanes import Lanes
from app.oauth.registration import Registration, register
from app.providers import PROVIDERS
from app.spool import Spool
from app.vault import Vault
from config import Config

MIGRATIONS = Path(__file__).parents[1] / "migrations"  # wherever the process was started

MOST_TOKENS = 4096  # that a process remembers: a few hundred bytes each
MOST_LISTED = 20_000  # connections: a kilobyte each, more or less

UserLoader = Callable[[], Mapping[str, Any] | None]  # who is signed in at the host, as a JWT's claims

db = SQLAlchemy(metadata=Base.metadata)
migrate = Migrate()  # type: ignore[no-untyped-call]
jwt = JWTManager()


class _Part(LocalProxy[Any]):
    """A proxy that has attributes in one step. Werkzeug's own looks up how, for each anew."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._get_current_object(), name)


def _bound(name: str) -> Any:
    """Return what stands for a part of whichever application is at work, found without a proxy in between."""
    place, app = f"latchkey.{name}", current_app._get_current_object  # type: ignore[attr-defined]
    return _Part(lambda: app().extensions[place])


settings = cast(Config, _bound("settings"))
direct = cast(Direct, _bound("direct"))  # statements without a session, and without its transaction
connection_ids = cast(Ids, _bound("connection_ids"))
vault = cast(Vault, _bound("vault"))
spool = cast(Spool, _bound("spool"))
lanes = cast(Lanes, _bound("lanes"))
redis = cast("Redis | None", _bound("redis"))  # the proxy of None is false, and is not None
issuer_keys = cast(IssuerKeys, _bound("issuer_keys"))
good_tokens = cast("Memory[tuple[str, bytes], Any]", _bound("good_tokens"))  # app/services/claims.py
callers = cast("Memory[bytes, Any]", _bound("callers"))  # app/services/bearer.py
listed = cast("Memory[tuple[Any, int], Any]", _bound("listed"))  # app/services/listing.py
registrations = cast("Mapping[str, Registration | None]", _bound("registrations"))
user_loader = cast("UserLoader | None", _bound("user_loader"))  # for pages alone; false where there is none


def bind(app: Flask, config: Config, user_loader: UserLoader | None = None) -> None:
    """Bind every extension to this application. Opens no connection to anything."""
    app.extensions["latchkey.settings"] = config
    app.extensions["latchkey.vault"] = Vault(config.encryption_keys)
    app.extensions["latchkey.spool"] = Spool(config.spool_dir)
    app.extensions["latchkey.listed"] = Memory(MOST_LISTED)
    app.extensions["latchkey.lanes"] = Lanes()  # gunicorn.conf.py says how many
    app.extensions["latchkey.redis"] = config.redis_url and _redis(config.redis_url)
    app.extensions["latchkey.registrations"] = {
        provider.name: register(provider, config.providers[provider.name], config.base_url)
        for provider in PROVIDERS
    }
    app.extensions["latchkey.user_loader"] = user_loader
    _bind_tokens(app, config)
    _bind_database(app, config.database_url)
    migrate.init_app(app, db, directory=str(MIGRATIONS))  # type: ignore[no-untyped-call]


def _redis(url: str) -> Redis:
    """Return a client that waits a second for anything, and tries nothing twice."""
    return Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1)


def _bind_tokens(app: Flask, config: Config) -> None:
    tokens = config.tokens
    app.extensions["latchkey.issuer_keys"] = keys_for(tokens)
    app.extensions["latchkey.good_tokens"] = Memory(MOST_TOKENS)
    app.extensions["latchkey.callers"] = Memory(MOST_TOKENS)
    app.config.update(
        JWT_SECRET_KEY=next(iter(tokens.secret_keys), None),
        JWT_IDENTITY_CLAIM="user_id",
        JWT_COOKIE_CSRF_PROTECT=False,  # no cookie ever authenticates the API
        JWT_ACCESS_TOKEN_EXPIRES=timedelta(seconds=tokens.access_ttl),
        JWT_REFRESH_TOKEN_EXPIRES=timedelta(seconds=tokens.refresh_ttl),
        JWT_ENCODE_ISSUER=tokens.issuer,
        JWT_ENCODE_AUDIENCE=tokens.audience,
    )
    jwt.init_app(app)


def reading() -> None:
    """Open this transaction for reading only. Without it, SQLite takes the write lock at once."""
    db.session.connection(execution_options={"reads_only": True})


def let_go() -> None:
    """Undo what this request's session has left open. One that there is not yet need not be made for it."""
    if db.session.registry.has():
        db.session.rollback()


def disclosing() -> None:
    """Open this transaction for a disclosure: AUDIT_SYNC says whether its commit is forced to disk."""
    db.session.connection(execution_options={"forced": settings.audit_sync})


def _bind_database(app: Flask, url: str) -> None:
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engines.options(url)
    engines.make_private_file(url)
    db.init_app(app)
    with app.app_context():
        statements = engines.listen(db.engine)
    app.extensions["latchkey.direct"] = statements
    app.extensions["latchkey.connection_ids"] = Ids(statements)
