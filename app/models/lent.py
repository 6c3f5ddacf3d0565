"""A connection of an engine's pool, lent to a block that has no session."""

from __future__ import annotations

from typing import Any, Protocol, cast

from sqlalchemy import Engine
from sqlalchemy.engine.interfaces import DBAPIModule
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from . import trouble


class Looks(Protocol):
    def is_good(self, entry: ConnectionPoolEntry) -> bool:
        """Tell whether a connection that was at rest may be used."""


class Lent:
    """A connection of the pool, for one block. Raises what its driver raises there as a session would.

    The pool's own way to lend one makes several objects each time, for whoever may forget to give it back.
    """

    __slots__ = ("_engine", "_entry", "_pool", "_way")

    def __init__(self, engine: Engine, way: Looks) -> None:
        self._engine, self._way = engine, way

    def __enter__(self) -> Any:
        self._pool = self._engine.pool
        try:
            self._entry = self._pool._do_get()
            return self._looked_at()
        except self._engine.dialect.loaded_dbapi.Error as error:
            raise self._as_of_a_session(error, lost=self._is_lost(error)) from error

    def _looked_at(self) -> Any:
        """Return the connection, or the one in its place. Where there is none the pool has its entry back."""
        entry: Any = self._entry
        try:
            connection = entry.get_connection()
            if self._way.is_good(entry):
                return connection
            entry.invalidate()
            return entry.get_connection()
        except BaseException:  # whatever it is: an entry that is not given back is lost to the pool
            self._give_back(is_good=False)
            raise

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            self._pool._do_return_conn(self._entry)
            return
        of_driver = isinstance(error, self._engine.dialect.loaded_dbapi.Error)
        lost = of_driver and self._is_lost(error)
        self._give_back(is_good=not lost and self._is_rolled_back())
        if of_driver:
            raise self._as_of_a_session(cast(Exception, error), lost=lost) from error

    def _is_rolled_back(self) -> bool:
        """Leave nothing begun, whatever was raised; tell whether that was possible."""
        try:
            cast(Any, self._entry).dbapi_connection.rollback()
        except self._engine.dialect.loaded_dbapi.Error:
            return False
        return True

    def _give_back(self, *, is_good: bool) -> None:
        try:
            if not is_good:
                self._entry.invalidate()
        finally:
            self._pool._do_return_conn(self._entry)

    def _is_lost(self, error: BaseException) -> bool:
        found = trouble.judged(error)
        disconnected = self._engine.dialect.is_disconnect(cast(DBAPIModule.Error, error), None, None)
        return disconnected or bool(found and found.reopens)

    def _as_of_a_session(self, error: Exception, *, lost: bool) -> BaseException:
        dialect = self._engine.dialect
        return DBAPIError.instance(
            None,
            None,
            error,
            dialect.loaded_dbapi.Error,
            hide_parameters=True,
            connection_invalidated=lost,
            dialect=dialect,
        )
