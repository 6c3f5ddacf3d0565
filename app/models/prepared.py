"""Statements that PostgreSQL has parsed for a connection, run by the parts psycopg's cursors are made of.

A cursor looks for names in the text, counts how often that ran, and finds out anew how its rows are read:
a third of what a quick statement costs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Any

import psycopg
from psycopg import adapt, generators
from psycopg.abc import PQGen, Transformer
from psycopg.adapt import PyFormat
from psycopg.errors import FeatureNotSupported, InvalidSqlStatementName, error_from_result
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Ready, Wait

Send = Callable[[], None]

BEGIN, COMMIT = b"BEGIN", b"COMMIT"

_GOOD = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
# A pooler has reset the connection; a migration has changed what a statement returns.
_OUTDATED = (InvalidSqlStatementName, FeatureNotSupported)
_ANY = [PyFormat.AUTO] * 100  # how each of so many values is written: as psycopg knows best


class Statements:
    """Those of one connection, by their texts and the types of their values."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._writes: Transformer = adapt.Transformer(connection)
        self._known: dict[tuple[str, tuple[int, ...] | None], _Parsed] = {}
        self._numbers = count()

    def run(
        self, text: str, values: Sequence[Any], *, before: Sequence[bytes] = (), after: Sequence[bytes] = ()
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a statement with `$1`, `$2` in it. Raises what psycopg raises.

        Commands before and after it, without values and results, are sent along.
        """
        known, send = self._ready(text, values)
        if before or after:
            return known.rows(self._in_line(before, [send], after)[len(before)])
        send()
        return known.rows(self._result())

    def run_together(self, each: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Run statements, each with its values, in one transaction."""
        self._in_line((BEGIN,), [self._ready(*one)[1] for one in each], (COMMIT,))

    def command(self, text: bytes) -> None:
        """Run one statement that has no values, and returns nothing."""
        self._connection.pgconn.send_query(text)
        self._result()

    def _ready(self, text: str, values: Sequence[Any]) -> tuple[_Parsed, Send]:
        given = self._writes.dump_sequence(values, _ANY[: len(values)])
        key, formats = (text, self._writes.types), self._writes.formats
        known = self._known.get(key) or self._parse(*key)
        pgconn = self._connection.pgconn
        return known, partial(pgconn.send_query_prepared, known.name, given, formats, Format.BINARY)

    def _parse(self, text: str, types: tuple[int, ...] | None) -> _Parsed:
        parsed = _Parsed(b"latchkey_%d" % next(self._numbers), adapt.Transformer(self._connection))
        self._connection.pgconn.send_prepare(parsed.name, text.encode(), types)
        self._result()
        self._known[text, types] = parsed
        return parsed

    def _in_line(
        self, before: Sequence[bytes], each: Sequence[Send], after: Sequence[bytes]
    ) -> list[PGresult]:
        """Send all of them at once, and return what comes of each. The first error ends them."""
        pgconn = self._connection.pgconn
        try:
            pgconn.enter_pipeline_mode()
            for command in before:
                pgconn.send_query_params(command, None)
            for send in each:
                send()
            for command in after:
                pgconn.send_query_params(command, None)
            pgconn.pipeline_sync()
            results = self._connection.wait(_until_sync(pgconn))
            pgconn.exit_pipeline_mode()
        except BaseException:  # whatever it is: what still comes would be taken for the next answer
            self._connection.close()
            raise
        return [self._good(result) for result in results]

    def _result(self) -> PGresult:
        [result] = self._connection.wait(generators.execute(self._connection.pgconn))
        return self._good(result)

    def _good(self, result: PGresult) -> PGresult:
        if result.status in _GOOD:
            return result
        error = error_from_result(result)
        if isinstance(error, _OUTDATED):
            self._known.clear()  # and parse anew what is asked next
        raise error


def _until_sync(pgconn: PGconn) -> PQGen[list[PGresult]]:
    """Return the results of what was sent in line."""
    results = list[PGresult]()
    while pgconn.flush():
        if (yield Wait.RW) & Ready.R:
            pgconn.consume_input()
    while True:
        while pgconn.is_busy():
            yield Wait.R
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:  # the end of what came of one statement
            continue
        if result.status == ExecStatus.PIPELINE_SYNC:
            return results
        results.append(result)


class _Parsed:
    """A statement that the server knows by this name, and what reads its rows."""

    __slots__ = ("_has_run", "_reads", "name")

    def __init__(self, name: bytes, reads: Transformer) -> None:
        self.name, self._reads, self._has_run = name, reads, False

    def rows(self, result: PGresult) -> list[tuple[Any, ...]]:
        self._reads.set_pgresult(result, set_loaders=not self._has_run)
        self._has_run = True
        rows: list[tuple[Any, ...]] = self._reads.load_rows(0, result.ntuples, tuple)
        self._reads.set_pgresult(None, set_loaders=False)  # or it would keep them
        return rows
