"""SQLite's connections: when transactions begin, how long a lock is waited for, which file it is."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from math import ceil
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DisconnectionError, OperationalError

from . import budget
from .breaker import Breaker
from .budget import TooLong

MEMORY = ":memory:"
_LOCKED = "another process holds its lock"


def _json_or_nothing(text: str) -> Any:
    """Read stored JSON; SQLite keeps any text, and a spoiled one must not take the other rows along."""
    try:
        return json.loads(text)
    except ValueError:
        return None


OPTIONS = {"hide_parameters": True, "json_deserializer": _json_or_nothing}


def file_of(url: str | URL) -> Path | None:
    """Return the database's file, or None where it is in memory."""
    database = make_url(url).database
    return Path(database).absolute() if database and database != MEMORY else None


def listen(engine: Engine) -> None:
    """Make transactions begin where SQLAlchemy says, as what they are, and on the file that the URL names."""
    breaker, path = Breaker(), file_of(engine.url)
    event.listen(engine, "connect", _prepare)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reads_only = connection.get_execution_options().get("reads_only", False)
        # A transaction that reads first and writes later would fail where another wrote in between.
        (_begin_reading if reads_only else _begin_writing)(connection, breaker)

    if path is not None:
        _keep_to_file(engine, path)


def _begin_reading(connection: Connection, _breaker: Breaker) -> None:
    with budget.current():
        connection.exec_driver_sql("BEGIN")


def _begin_writing(connection: Connection, breaker: Breaker) -> None:
    """Wait for the lock for as long as may be, in tenths of a second: few statements to be remembered."""
    with breaker.asking() as seconds:
        driver: Any = connection.connection.driver_connection
        driver.execute(f"PRAGMA busy_timeout={ceil(min(seconds, budget.ALONE) * 10) * 100}")
        forced = connection.get_execution_options().get("forced", True)
        driver.execute(f"PRAGMA synchronous={'FULL' if forced else 'NORMAL'}")
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as error:
            if not _is_busy(error.orig):
                raise
            raise TooLong(_LOCKED) from None


def _is_busy(error: BaseException | None) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say, not at the first change
    connection.text_factory = _text_whatever_happens
    for pragma in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")
    with budget.current() as seconds:
        _keep_a_write_ahead_log(connection, seconds)


def _keep_a_write_ahead_log(connection: sqlite3.Connection, seconds: float) -> None:
    """Turn a new file to WAL. SQLite does not wait for its lock here, so several first openers take turns."""
    ends = time.monotonic() + seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
            if time.monotonic() > ends:
                raise TooLong(_LOCKED) from None
        time.sleep(0.05)


def _text_whatever_happens(raw: bytes) -> str:
    """Read a text with a spoiled byte too: what it is sealed with does not open, the other rows do."""
    return raw.decode("utf-8", "replace")


def _keep_to_file(engine: Engine, path: Path) -> None:
    """Never make a file where the database should be, and never write to one that is there no more."""

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, record: Any, _arguments: Any, parameters: Any) -> sqlite3.Connection:
        record.info["file"] = _identity(path)
        connection: sqlite3.Connection = sqlite3.connect(
            f"{path.as_uri()}?mode=rw", **{**parameters, "uri": True}
        )
        return connection

    @event.listens_for(engine, "checkout")
    def look(_connection: Any, record: Any, _proxy: Any) -> None:
        if record.info.get("file") != _identity(path):
            raise DisconnectionError


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
