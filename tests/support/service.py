"""A running service: the application behind a real socket, on a database of its own."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable, Mapping
from typing import Any

import requests
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from app import create_app
from app.extensions import db
from config import Config
from tests.support.serving import Serving
from tests.support.settings import base_settings

_numbers = itertools.count(1)
StartService = Callable[..., "Service"]
PASSWORD = "correct horse battery"


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        pass


class Service:
    """Serves until closed. `settings` are environment settings, put over those that every service has."""

    def __init__(self, database_url: str, settings: Mapping[str, str], *, host: str, port: int) -> None:
        self.port = port
        self.url = f"http://{host}:{self.port}"
        self.environ = {
            **base_settings(),
            "DATABASE_URL": database_url,
            "PUBLIC_URL": self.url,
            **settings,
        }
        self.app: Flask = create_app(Config.from_env(self.environ))
        self._serving = Serving(
            make_server("127.0.0.1", self.port, self.app, threaded=True, request_handler=Quiet)
        )

    def close(self) -> None:
        self._serving.close()
        with self.app.app_context():
            db.engine.dispose()

    def user(self, username: str | None = None) -> User:
        return User(self, username or f"user{next(_numbers)}")

    def call(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        kwargs.setdefault("allow_redirects", False)
        with requests.Session() as session:
            session.trust_env = False  # no proxy and no .netrc has a say
            return session.request(method, self.url + path, timeout=30, **kwargs)


class User:
    """A registered user, who calls with its token."""

    def __init__(self, service: Service, username: str) -> None:
        self.service = service
        self.username = username
        body = {"username": username, "email": f"{username}@example.com", "password": PASSWORD}
        answer = service.call("POST", "/api/auth/register", json=body)
        assert answer.status_code == 201, answer.text
        self.token: str = answer.json()["access_token"]
        self.refresh_token: str = answer.json()["refresh_token"]
        self.id: int = answer.json()["user"]["id"]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def call(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """Call the API. `:username` in the path is this user's."""
        headers = {**self.headers, **kwargs.pop("headers", {})}
        return self.service.call(method, path.replace(":username", self.username), headers=headers, **kwargs)


def twin_of(service: Service) -> dict[str, str]:
    """Return settings that start another process of the same service: its database, clients and spool."""
    own = {"PUBLIC_URL", "DATABASE_URL"}
    kept = {name: value for name, value in service.environ.items() if name not in own}
    return {"database_url": service.environ["DATABASE_URL"], **kept}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
