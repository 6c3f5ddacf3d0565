"""SQLite's connections: when transactions begin, how long a lock is waited for, which file it is."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import ceil
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Dialect, Engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DisconnectionError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from . import budget
from .breaker import Breaker
from .budget import TooLong
from .direct import Compiled
from .group import MOST, Line, Unit
from .stored_json import loads_or_none

MEMORY = ":memory:"
_LOCKED = "another process holds its lock"
Found = TypeVar("Found")

# Milliseconds that SQLite waits before we ask again: it looks after 1, 3 and 5. Told to wait longer, it looks
# ever more seldom, and who lost a few times sleeps for 100 while the lock is free.
SHORT = 5


class WaitingConnection(sqlite3.Connection):
    """Knows how it was told to wait for a lock and to commit, and is told again only what has changed."""

    _waits: int | None = None
    _forces: bool | None = None

    def wait(self, milliseconds: int) -> None:
        """Let SQLite itself wait so long for a lock."""
        if milliseconds != self._waits:
            self.execute(f"PRAGMA busy_timeout={milliseconds}")
            self._waits = milliseconds

    def force(self, forced: bool) -> None:
        """Force what is committed to disk, or do not."""
        if forced != self._forces:
            self.execute(f"PRAGMA synchronous={'FULL' if forced else 'NORMAL'}")
            self._forces = forced


OPTIONS = {
    "hide_parameters": True,
    "json_deserializer": loads_or_none,
    "connect_args": {"factory": WaitingConnection},
}


def file_of(url: str | URL) -> Path | None:
    """Return the database's file, or None where it is in memory."""
    database = make_url(url).database
    return Path(database).absolute() if database and database != MEMORY else None


class Way:
    """What app/models/direct.py asks of a connection. Here, sessions begin as it does."""

    def __init__(self, path: Path | None, dialect: Dialect) -> None:
        self.dialect, self._path, self._breaker = dialect, path, Breaker()
        # A database in memory is one connection's, and that one thread's.
        self._line = Line(_begin, self._breaker, most=MOST if path else 0)

    def is_good(self, entry: ConnectionPoolEntry) -> bool:
        """Tell whether a connection still is to the file that the URL names."""
        return self._path is None or entry.info["file"] == _identity(self._path)

    def ask(
        self, driver: WaitingConnection, asked: Compiled, values: Any, *, last: bool = False
    ) -> list[Any]:
        cursor = driver.execute(asked.text, values)
        return cursor.fetchall() if asked.returns else []

    def ask_alone(
        self, driver: WaitingConnection, asked: Compiled, values: Any, *, writes: bool, forced: bool
    ) -> list[Any]:
        if writes:
            return self._write_alone(driver, asked, values, forced)
        with budget.current() as seconds:
            return _when_free(partial(self.ask, driver, asked, values), seconds)

    def _write_alone(
        self, driver: WaitingConnection, asked: Compiled, values: Any, forced: bool
    ) -> list[Any]:
        """Run it with the other threads' steps, or in no more than itself where nobody else writes."""
        if not self._line.take():
            with self.transaction(driver, forced=forced) as shared:
                return self.ask(shared, asked, values)
        try:
            return self._write(driver, partial(self.ask, driver, asked, values), forced)
        finally:
            self._line.hand_on()

    def ask_together(
        self, driver: WaitingConnection, each: Sequence[tuple[Compiled, Any]], *, forced: bool
    ) -> None:
        with self.transaction(driver, forced=forced) as shared:
            for asked, values in each:
                self.ask(shared, asked, values)

    def transaction(self, driver: WaitingConnection, *, forced: bool) -> Unit:
        return Unit(self._line, driver, forced=forced)

    def begin_session(self, connection: Connection) -> None:
        """Begin what SQLAlchemy takes for begun already."""
        driver = cast(WaitingConnection, connection.connection.driver_connection)
        options: Mapping[str, Any] = connection.get_execution_options()
        if options.get("reads_only", False):
            with budget.current() as seconds:
                driver.wait(ceil(min(seconds, budget.ALONE) * 10) * 100)
                connection.exec_driver_sql("BEGIN")
            return
        # A transaction that reads first and writes later would fail where another wrote in between.
        begin = partial(connection.exec_driver_sql, "BEGIN IMMEDIATE")
        self._write(driver, begin, options.get("forced", True))

    def _write(self, driver: WaitingConnection, ask: Callable[[], Found], forced: bool) -> Found:
        """Ask when the lock is free, and wait for it as long as may be. Raises TooLong."""
        with self._breaker.asking() as seconds:
            return _locked(driver, ask, forced, seconds)


def _begin(driver: WaitingConnection, forced: bool, seconds: float) -> None:
    _locked(driver, partial(driver.execute, "BEGIN IMMEDIATE"), forced, seconds)


def _locked(driver: WaitingConnection, ask: Callable[[], Found], forced: bool, seconds: float) -> Found:
    """Ask what takes SQLite's lock."""
    driver.wait(SHORT)
    driver.force(forced)
    return _when_free(ask, seconds)


def _when_free(ask: Callable[[], Found], seconds: float) -> Found:
    """Ask again and again until nobody else holds SQLite's lock. Raises TooLong."""
    ends = monotonic() + seconds
    while True:
        try:
            return ask()
        except (sqlite3.OperationalError, OperationalError) as error:
            if not _is_busy(getattr(error, "orig", error)):
                raise
            if monotonic() > ends:
                raise TooLong(_LOCKED) from None


def listen(engine: Engine) -> Way:
    """Make transactions begin where SQLAlchemy says, as what they are, and on the file that the URL names."""
    path = file_of(engine.url)
    way = Way(path, engine.dialect)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "checkin", _let_statements_be_alone)
    event.listen(engine, "begin", way.begin_session)
    if path is not None:
        _keep_to_file(engine, path, way)
    return way


def _is_busy(error: BaseException | None) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _let_statements_be_alone(connection: sqlite3.Connection | None, _record: Any) -> None:
    """Undo what SQLAlchemy leaves behind a transaction with an isolation level of its own.

    The driver would begin a transaction before the next change, and nobody would commit it.
    """
    if connection is not None and connection.isolation_level is not None:
        connection.isolation_level = None


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say, not at the first change
    connection.text_factory = _text_whatever_happens
    for pragma in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")
    with budget.current() as seconds:
        _keep_a_write_ahead_log(connection, seconds)


def _keep_a_write_ahead_log(connection: sqlite3.Connection, seconds: float) -> None:
    """Turn a new file to WAL. SQLite does not wait for its lock here, so several first openers take turns."""
    ends = monotonic() + seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
            if monotonic() > ends:
                raise TooLong(_LOCKED) from None
        sleep(0.05)


def _text_whatever_happens(raw: bytes) -> str:
    """Read a text with a spoiled byte too: what it is sealed with does not open, the other rows do."""
    return raw.decode("utf-8", "replace")


def _keep_to_file(engine: Engine, path: Path, way: Way) -> None:
    """Never make a file where the database should be, and never write to one that is there no more."""

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, record: Any, _arguments: Any, parameters: Any) -> sqlite3.Connection:
        record.info["file"] = _identity(path)
        connection: sqlite3.Connection = sqlite3.connect(
            f"{path.as_uri()}?mode=rw", **{**parameters, "uri": True}
        )
        return connection

    @event.listens_for(engine, "checkout")
    def look(_connection: Any, entry: ConnectionPoolEntry, _proxy: Any) -> None:
        if not way.is_good(entry):
            raise DisconnectionError


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
