"""No secret in what a node leaves behind on PostgreSQL and Redis: log at DEBUG, stores, files, processes."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from redis import Redis
from sqlalchemy.engine import make_url

from tests.support.canary import Scenario, command_lines, files, tables
from tests.support.databases import PostgresqlDatabases
from tests.support.processes import Gunicorn, gunicorn, run
from tests.support.providers import Sandbox
from tests.support.redis import redis_url
from tests.support.service import free_port
from tests.support.settings import base_settings

DEBUG = "import logging\nlogging.basicConfig(level=logging.DEBUG)\n"


@pytest.fixture
def redis() -> Iterator[str]:
    with redis_url() as url:
        yield url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the node keeps its temporary files, what it counts and what it spools."""
    (tmp_path / "sitecustomize.py").write_text(DEBUG)
    for name in ("node", "node/tmp"):
        (tmp_path / name).mkdir()
    return tmp_path


def environ(folder: Path, database_url: str, redis: str, sandbox: Sandbox, port: int) -> dict[str, str]:
    url = f"http://localhost:{port}"
    return {
        **base_settings(),
        **sandbox.register(url),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis,
        "PUBLIC_URL": url,
        "SPOOL_DIR": str(folder / "node" / "spool"),
        "TMPDIR": str(folder / "node" / "tmp"),
        "PROMETHEUS_MULTIPROC_DIR": str(folder / "node" / "metrics"),
        "PYTHONPATH": str(folder),
    }


def make_due(database_url: str) -> None:
    """Make every token due, where it is kept, so that each is renewed when it is asked for next."""
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE grants SET token_at = now() - interval '1 day'")
        connection.execute("UPDATE grants SET expires_at = now() + interval '5 seconds', due_at = token_at")


def stored_in(redis: str) -> dict[str, bytes]:
    with Redis.from_url(redis) as client:
        return {
            f"redis {key!r}": key + b" " + (client.get(key) or b"") for key in client.scan_iter("session:*")
        }


def with_password(database_url: str, password: str) -> str:
    """Return the same URL with a password, which a server that trusts this machine never asks for."""
    return make_url(database_url).set(password=password).render_as_string(hide_password=False)


def new_key(settings: dict[str, str]) -> str:
    """Make a service key as an operator does."""
    words = ("service-keys", "create", "engine", "--scope", "read_metadata", "--scope", "write")
    return run("-m", "flask", "--app", "wsgi", *words, environ=settings).stdout.strip()


def test_nothing_is_left_behind(
    postgresql: PostgresqlDatabases,
    sandbox: Sandbox,
    redis: str,
    folder: Path,
    record_property: Callable[[str, object], None],
) -> None:
    database_url, password, port = postgresql.new(), f"canary-{secrets.token_hex(12)}", free_port()
    trusting = redis.replace("redis://", f"redis://default:{password}@")
    settings = environ(folder, with_password(database_url, password), trusting, sandbox, port)
    scenario = Scenario(f"http://localhost:{port}", lambda: make_due(database_url))
    before = set(sandbox.control.issued())
    with gunicorn(settings, "-b", f"127.0.0.1:{port}") as server:
        server.port = port
        server.url = scenario.url
        server.wait_for_answer()
        scenario.run()
        scenario.ask_with(new_key(settings))
        places = look(server, folder, database_url, redis)
        places["answers"] = "\n".join(scenario.answers).encode()
    issued = sorted(set(sandbox.control.issued()) - before)
    scenario.secrets |= {f"issued {n}": token for n, token in enumerate(issued)}
    scenario.secrets |= {
        name: value
        for name, value in settings.items()
        if re.fullmatch(r"(\w+_)?SECRET(_KEY)?|ENCRYPTION_KEYS", name)
    }
    scenario.secrets |= {"key": settings["ENCRYPTION_KEYS"].partition(":")[2], "password": password}
    assert len(scenario.secrets) > 30 and len(issued) > 10, "much was at stake"
    assert sum(map(len, places.values())) > 20_000
    assert scenario.found_in(places, record_property) == []


def look(server: Gunicorn, folder: Path, database_url: str, redis: str) -> dict[str, bytes]:
    """Return all that there is to see, and prove that it is what it should be."""
    sessions, rows = stored_in(redis), tables(database_url)
    assert sessions and len(rows) > 10 and rows["table audit_events"]
    levels = {line["level"] for line in server.lines()}
    assert "debug" in levels, "the log is not at its most talkative"
    log = {"log": server.log().encode()}
    return log | sessions | rows | files(folder / "node") | command_lines(server.process.pid)
