"""Connections to PostgreSQL that wait no longer than they may.

A server that is frozen, not stopped, answers nothing and keeps every connection open: no timeout of its own,
of the kernel or of libpq ends a statement then. The client must look at the clock.
"""

from __future__ import annotations

import select
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from time import monotonic
from typing import Any, ClassVar, Self, cast

import psycopg
from psycopg import generators
from psycopg.abc import RV, PQGen, PQGenConn
from psycopg.errors import ConnectionTimeout, _WaitTimeout
from psycopg.pq import ExecStatus, TransactionStatus
from sqlalchemy import Connection as SqlConnection
from sqlalchemy import Dialect, Engine, event
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from app.waiting import waiting

from .breaker import Breaker
from .budget import TooLong
from .direct import Compiled
from .prepared import BEGIN, COMMIT, Statements
from .stored_json import loads

CONNECT = 3.0  # seconds, for all addresses of the host together
REST = 5.0  # seconds after which an idle connection is asked whether it still leads anywhere
PING = 1.0  # seconds for its answer
LATE = 0.002  # seconds: who waits for a quick server keeps the turn, which costs less than to change threads

_RELAX = b"SET LOCAL synchronous_commit TO off"

OPTIONS = {
    "connect_args": {
        "connect_timeout": int(CONNECT) + 1,  # for each address; ours comes first
        "options": (
            "-c statement_timeout=5000 -c lock_timeout=3000 -c timezone=UTC"
            # The server keeps the plan of what is asked again and again. One that was made while a table was
            # nearly empty would walk through all that has come since.
            " -c enable_seqscan=off -c jit=off"
        ),
        "application_name": "latchkey",
        "prepare_threshold": None,  # psycopg's own would end, with each rollback, those of prepared.py
        "keepalives_idle": 30,  # so that the kernel notices when an idle connection leads nowhere
        "keepalives_interval": 5,
        "keepalives_count": 3,
    },
    "hide_parameters": True,
    "json_deserializer": loads,
}


class BoundedConnection(psycopg.Connection[Any]):
    """Ends itself when the server lets it wait for too long: what it was in the midst of nobody knows."""

    breaker: ClassVar[Breaker]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._used_at = monotonic()
        self._answers_late = False
        self.statements = Statements(self)

    @classmethod
    def _connect_gen(cls, conninfo: str = "") -> PQGenConn[Self]:
        try:
            with cls.breaker.asking() as seconds:
                return (yield from _within(min(seconds, CONNECT), super()._connect_gen(conninfo)))
        except TooLong as late:
            raise ConnectionTimeout(str(late)) from None

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Do what psycopg does for every statement, commit and rollback; close where no answer comes."""
        try:
            with self.breaker.asking() as seconds:
                return self._wait(gen, interval, seconds if timeout is None else min(seconds, timeout))
        except TooLong as late:
            self.close()
            raise ConnectionTimeout(str(late)) from None

    def _wait(self, gen: PQGen[RV], interval: float, seconds: float) -> RV:
        begun = monotonic()
        try:
            with waiting.brief() if self._answers_late else nullcontext():
                result = super().wait(gen, interval, seconds)
                self._used_at = monotonic()
        except _WaitTimeout:
            raise TooLong("it did not answer in time") from None
        self._answers_late = self._used_at > begun + LATE
        return result

    def rollback(self) -> None:
        """Roll back, or close: the server rolls back for whoever is gone."""
        if self.pgconn.transaction_status == TransactionStatus.IDLE:
            return
        try:
            super().rollback()
        except psycopg.OperationalError:
            self.close()

    def leads_somewhere(self) -> bool:
        """Tell whether the server is still there, and ask it only where there is a doubt.

        To an idle connection it says nothing, unless it ends.
        """
        if self.closed:
            return False
        doubtful = monotonic() - self._used_at > REST or _has_something_to_read(self.fileno())
        return not doubtful or self._is_answered()

    def _is_answered(self) -> bool:
        try:
            self.pgconn.send_query(b"")
            results = self.wait(generators.execute(self.pgconn), timeout=PING)
        except psycopg.Error:
            return False
        return [result.status for result in results] == [ExecStatus.EMPTY_QUERY]


class Way:
    """What app/models/direct.py asks of a connection."""

    # Values have numbers, as on the server itself.
    dialect: Dialect = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]

    def is_good(self, entry: ConnectionPoolEntry) -> bool:
        return cast(BoundedConnection, entry.dbapi_connection).leads_somewhere()

    def ask(self, driver: _Begun, asked: Compiled, values: Any, *, last: bool) -> list[Any]:
        return driver.ask(asked, values, last=last)

    def ask_alone(
        self, driver: BoundedConnection, asked: Compiled, values: Any, *, writes: bool, forced: bool
    ) -> list[Any]:
        return driver.statements.run(asked.text, values)  # the server makes a transaction of it

    @contextmanager
    def transaction(self, driver: BoundedConnection, *, forced: bool) -> Iterator[_Begun]:
        begun = _Begun(driver.statements, forced=forced)
        yield begun
        begun.commit()

    def ask_together(
        self, driver: BoundedConnection, each: Sequence[tuple[Compiled, Any]], *, forced: bool
    ) -> None:
        driver.statements.run_together([(asked.text, values) for asked, values in each])


class _Begun:
    """A transaction: it is begun along with its first statement, and may be committed with its last."""

    def __init__(self, statements: Statements, *, forced: bool) -> None:
        self._statements, self._is_open = statements, False
        self._before: Sequence[bytes] = (BEGIN,) if forced else (BEGIN, _RELAX)

    def ask(self, asked: Compiled, values: Any, *, last: bool) -> list[Any]:
        before, self._before = self._before, ()
        after = (COMMIT,) if last else ()
        rows = self._statements.run(asked.text, values, before=before, after=after)
        self._is_open = not last
        return rows

    def commit(self) -> None:
        if self._is_open:
            self._statements.command(COMMIT)


def listen(engine: Engine) -> Way:
    """Give this engine connections that are bounded, and looked at before they are used."""

    way = Way()

    class Connection(BoundedConnection):
        breaker = Breaker()

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, arguments: Any, parameters: Any) -> Connection:
        return Connection.connect(*arguments, **parameters)

    @event.listens_for(engine, "begin")
    def begin(connection: SqlConnection) -> None:
        if not connection.get_execution_options().get("forced", True):
            connection.exec_driver_sql(_RELAX.decode())

    @event.listens_for(engine, "checkout")
    def look(_connection: Connection, entry: ConnectionPoolEntry, _proxy: Any) -> None:
        if not way.is_good(entry):
            raise DisconnectionError

    return way


def _within(seconds: float, gen: PQGenConn[RV]) -> PQGenConn[RV]:
    """Go on with a generator that psycopg resumes ten times a second, or oftener, until the time is over."""
    ends = monotonic() + seconds
    try:
        wanted = next(gen)
        while monotonic() < ends:
            wanted = gen.send((yield wanted))
    except StopIteration as end:
        result: RV = end.value
        return result
    raise TooLong("it did not answer in time")


def _has_something_to_read(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
