"""PostgreSQL roles of the tests' own: one that owns the schema, one that the application runs as."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from tests.support.databases import PostgresqlDatabases


@dataclass(frozen=True)
class Roles:
    """The same empty database, as either role sees it."""

    owner_url: str
    application_url: str

    @property
    def settings(self) -> dict[str, str]:
        return {"DATABASE_URL": self.application_url, "MIGRATION_DATABASE_URL": self.owner_url}

    def execute(self, url: str, statement: str) -> None:
        with psycopg.connect(url, autocommit=True, connect_timeout=3) as connection:
            connection.execute(sql.SQL(statement))  # type: ignore[arg-type]


@contextlib.contextmanager
def roles(databases: PostgresqlDatabases) -> Iterator[Roles]:
    """Make two roles without further rights, and a database that the first one owns."""
    url = make_url(databases.empty())
    names = [f"latchkey_test_{uuid.uuid4().hex[:12]}_{part}" for part in ("owner", "application")]
    password = uuid.uuid4().hex
    with psycopg.connect(databases.server_url, autocommit=True, connect_timeout=3) as server:
        for name in names:
            server.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                    sql.Identifier(name), sql.Literal(password)
                )
            )
        server.execute(
            sql.SQL("ALTER DATABASE {} OWNER TO {}").format(
                sql.Identifier(url.database or ""), sql.Identifier(names[0])
            )
        )
    urls = [url.set(username=name, password=password).render_as_string(hide_password=False) for name in names]
    try:
        yield Roles(*urls)
    finally:
        with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as inside:
            for name in names:
                inside.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(name)))
            inside.execute(
                sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER").format(sql.Identifier(url.database or ""))
            )
            for name in names:
                inside.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
