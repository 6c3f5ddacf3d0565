"""A host application with everything of its own, and Latchkey in it, in either way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests
from flask import Flask, abort, g, request, session
from flask_jwt_extended import JWTManager, create_access_token, get_jwt_identity, jwt_required
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import make_server

from app import create_app
from app.extensions import UserLoader, user_loader
from app.extensions import db as ours
from app.hosting import asked_in, latchkey_blueprint
from app.services import bearer
from config import Config
from tests.support.providers import Sandbox
from tests.support.service import Quiet, Service, free_port
from tests.support.serving import Serving
from tests.support.settings import base_settings

PREFIX = "/latchkey"
POLICY = "default-src 'unsafe-inline'"


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Person(db.Model):  # type: ignore[name-defined, misc]
    __tablename__ = "users"  # as ours is called

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


def new_host(database_url: str) -> Flask:
    """Return a host with a database, a session, tokens, hooks and error pages."""
    host = Flask("tests.hosting")
    host.config.update(
        SECRET_KEY="the host's own",
        SQLALCHEMY_DATABASE_URI=database_url,
        JWT_SECRET_KEY="another secret of the host's alone",
        MAX_CONTENT_LENGTH=1000,
    )
    db.init_app(host)
    JWTManager(host)
    host.before_request(_look_who_it_is)
    host.after_request(_dress)
    for status in (404, 405, 413, 415):
        host.register_error_handler(status, lambda error: (f"the host says {error.code}", error.code))
    host.add_url_rule("/login", view_func=_login, methods=["POST"])
    host.add_url_rule("/me", view_func=_me)
    host.add_url_rule("/api/me", view_func=_me_by_token)
    host.add_url_rule("/<path:anything>", view_func=_anything)
    return host


def _look_who_it_is() -> None:
    g.person = db.session.get(Person, session["person"]) if "person" in session else None
    session["requests"] = session.get("requests", 0) + 1


def _dress(response: Any) -> Any:
    """Say of every answer what only the host's own should say."""
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Cache-Control"] = "public"
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["X-Host"] = "yes"
    return response


def _login() -> dict[str, str]:
    person = Person(name=request.form["name"])
    db.session.add(person)
    db.session.commit()
    session["person"] = person.id
    return {"token": create_access_token(str(person.id))}


def _me() -> dict[str, Any]:
    return {"name": g.person and g.person.name, "requests": session["requests"]}


@jwt_required()
def _me_by_token() -> dict[str, Any]:
    return {"id": get_jwt_identity()}


def _anything(anything: str) -> None:
    abort(404)


def who() -> dict[str, Any] | None:
    """Say who is signed in at the host, by its session and its database. This is the user loader."""
    person = db.session.get(Person, session["person"]) if "person" in session else None
    return person and {"user_id": person.id, "username": person.name}


def mounted(host: Flask, config: Config, ask: UserLoader | None) -> Flask:
    loader = ask and asked_in(host, ask)
    latchkey = create_app(config, mounted_at=PREFIX, user_loader=loader)
    host.wsgi_app = DispatcherMiddleware(host.wsgi_app, {PREFIX: latchkey})  # type: ignore[method-assign]
    return latchkey


def as_blueprint(host: Flask, config: Config, ask: UserLoader | None) -> Flask:
    blueprint = latchkey_blueprint(config, url_prefix=PREFIX, user_loader=ask)
    host.register_blueprint(blueprint)
    return blueprint.application


def visitor() -> dict[str, Any]:
    """A view of Latchkey's for tests alone: say who the host says that asks."""
    claims = user_loader() if user_loader else None
    caller = claims and bearer.hosted(claims)
    return {"username": caller and caller.username, "id": caller and caller.shown_id}


Way = Callable[[Flask, Config, UserLoader | None], Flask]
WAYS: tuple[Way, ...] = (mounted, as_blueprint)


class Hosted(Service):
    """Latchkey in a running host. `url` is Latchkey's, `host_url` the host's."""

    def __init__(
        self,
        way: Way,
        databases: Any,
        sandbox: Sandbox,
        *,
        name: str = "127.0.0.1",
        user_loader: UserLoader | None = None,
        **settings: str,
    ) -> None:
        self.port = free_port()
        self.host_url = f"http://{name}:{self.port}"
        self.url = self.host_url + PREFIX
        self.environ = {
            **base_settings(),
            "DATABASE_URL": databases.new(),
            "PUBLIC_URL": self.host_url,
            **sandbox.register(self.url),
            **settings,
        }
        self.host = new_host(databases.empty())
        self.app = way(self.host, Config.from_env(self.environ), user_loader)
        self.app.add_url_rule("/visitor", view_func=visitor)
        with self.host.app_context():
            db.create_all()
        self._serving = Serving(
            make_server("127.0.0.1", self.port, self.host, threaded=True, request_handler=Quiet)
        )

    def close(self) -> None:
        self._serving.close()
        for application, database in ((self.app, ours), (self.host, db)):
            with application.app_context():
                database.engine.dispose()

    def at_host(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """Call the host itself."""
        return requests.request(method, self.host_url + path, timeout=30, **kwargs)

    def browser(self, name: str) -> requests.Session:
        """Return a browser in which a new person of this name is signed in at the host."""
        session = requests.Session()
        session.trust_env = False
        assert session.post(f"{self.host_url}/login", {"name": name}, timeout=30).status_code == 200
        return session
