"""How each kind of database is reached: options, time limits, and when a transaction begins."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import make_url

BUDGET = 4  # seconds that a request may spend waiting for the database


def _json_or_nothing(text: str) -> Any:
    """Read stored JSON; SQLite keeps any text, and a spoiled one must not take the other rows along."""
    try:
        return json.loads(text)
    except ValueError:
        return None


_SQLITE = {
    "connect_args": {"timeout": BUDGET},
    "hide_parameters": True,
    "json_deserializer": _json_or_nothing,
}

_POSTGRESQL = {
    "connect_args": {
        "connect_timeout": 3,
        "options": "-c statement_timeout=5000 -c lock_timeout=3000 -c timezone=UTC",
        "application_name": "latchkey",
    },
    "hide_parameters": True,
    "pool_pre_ping": True,
    "pool_size": 8,  # a connection for each thread of a worker
    "max_overflow": 2,
    "pool_timeout": 3,
}


def options(url: str) -> dict[str, Any]:
    """Return the options of `create_engine` for this URL."""
    return _SQLITE if _is_sqlite(url) else _POSTGRESQL


def make_private_file(url: str) -> None:
    """Make SQLite's file before SQLite does: 0600 in a folder of 0700."""
    database = make_url(url).database
    if not _is_sqlite(url) or not database or database == ":memory:":
        return
    path = Path(database)
    with suppress(OSError):  # a volume that is not there yet is a database that does not answer yet
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def listen(engine: Engine) -> None:
    """Make SQLite's transactions begin where SQLAlchemy says, and as what they are."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)


def _is_sqlite(url: str) -> bool:
    return make_url(url).get_backend_name() == "sqlite"


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say, not at the first change
    connection.text_factory = _text_whatever_happens
    for pragma in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")
    _keep_a_write_ahead_log(connection)


def _keep_a_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Turn a new file to WAL. SQLite does not wait for its lock here, so several first openers take turns."""
    for wait in (0.05,) * (BUDGET * 20):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            time.sleep(wait)
    connection.execute("PRAGMA journal_mode=WAL")


def _text_whatever_happens(raw: bytes) -> str:
    """Read a text with a spoiled byte too: what it is sealed with does not open, the other rows do."""
    return raw.decode("utf-8", "replace")


def _begin_sqlite(connection: Connection) -> None:
    reads_only = connection.get_execution_options().get("reads_only", False)
    # A transaction that reads first and writes later would fail where another wrote in between.
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")
