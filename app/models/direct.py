"""Statements that are asked again and again: compiled once, and then run by the driver itself.

SQLAlchemy says what is asked and how each value is converted; what it does beyond that at each execution
costs several times what the database does. Nothing here is loaded into a session, and no transaction of one
is joined: the connections are of the same pool, with the same bounds, and so are the failures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import Boolean, Column, Dialect, Engine, String, Table, bindparam
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm.attributes import instance_dict
from sqlalchemy.sql.expression import ClauseElement, Executable, FunctionElement

from . import trouble
from .base import Base

Row = Sequence[Any]
Model = TypeVar("Model", bound=Base)

RELAXED = "relaxed"


class relaxing(FunctionElement):  # type: ignore[type-arg]  # noqa: N801 - reads as the SQL function it is
    """A column of what a statement returns that writes by itself: its commit waits for no disk if so asked.

    SQLite is told otherwise: its connections are.
    """

    inherit_cache = True
    name = "relaxing"
    type = String()

    def __init__(self) -> None:
        super().__init__(bindparam(RELAXED, type_=Boolean()))


@compiles(relaxing, "postgresql")
def _postgresql(element: relaxing, compiler: Any, **kwargs: Any) -> str:
    relaxed = compiler.process(element.clauses, **kwargs)
    return f"(CASE WHEN {relaxed} THEN set_config('synchronous_commit', 'off', true) END)"


@compiles(relaxing, "sqlite")
def _sqlite(*_: Any, **__: Any) -> str:
    return "NULL"


class Way(Protocol):
    """How one kind of database does on a connection of its driver what is asked here."""

    def alone(self, driver: Any, text: str, values: Any, *, writes: bool, forced: bool) -> list[Row]:
        """Run a statement as a transaction of its own."""

    def begin(self, driver: Any, *, forced: bool) -> None:
        """Begin a transaction that writes."""


class Statement:
    """What is asked, with a `bindparam` for each value.

    `given` are the columns that an insert has values for. `postgresql` is asked there instead.
    """

    def __init__(
        self, asked: Executable, *, given: Sequence[str] | None = None, postgresql: Executable | None = None
    ) -> None:
        self._asked = {"sqlite": asked, "postgresql": asked if postgresql is None else postgresql}
        self._given = given
        self._compiled: dict[str, _Compiled] = {}

    def compiled(self, dialect: Dialect) -> _Compiled:
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = _Compiled(self._asked[dialect.name], self._given, dialect)
        return found


class _Compiled:
    """A statement as text, and what is done to the values that go in and come out."""

    def __init__(self, asked: Executable, given: Sequence[str] | None, dialect: Dialect) -> None:
        compiled: Any = cast(ClauseElement, asked).compile(dialect=dialect, column_keys=given)
        self.text: str = compiled.string
        self.returns = bool(compiled._result_columns)
        names: Mapping[Any, str] = compiled.bind_names
        self._converts = [
            (name, bind.type.dialect_impl(dialect).bind_processor(dialect)) for bind, name in names.items()
        ]
        self._fixed = {name: bind.effective_value for bind, name in names.items() if not bind.required}
        self._order: Sequence[str] | None = compiled.positiontup
        self._results = _conversions([column.type for column in compiled._result_columns], dialect)

    def parameters(self, values: Mapping[str, Any]) -> Any:
        """Return what the driver takes: a list where places are counted, a mapping where they have names."""
        given, found = {**self._fixed, **values}, {}
        for name, convert in self._converts:
            found[name] = given[name] if convert is None else convert(given[name])
        return found if self._order is None else [found[name] for name in self._order]

    def converted(self, rows: list[Row]) -> list[Row]:
        if not self._results:
            return rows
        return [self._row(row) for row in rows]

    def _row(self, row: Row) -> Row:
        found = list(row)
        for place, convert in self._results:
            found[place] = convert(found[place])
        return found


def _conversions(types: Sequence[Any], dialect: Dialect) -> list[tuple[int, Callable[[Any], Any]]]:
    converts = [type.dialect_impl(dialect).result_processor(dialect, None) for type in types]
    return [(place, convert) for place, convert in enumerate(converts) if convert is not None]


class Steps:
    """Statements that write one after the other in one transaction; where one can do it all, `postgresql`."""

    def __init__(self, *each: Executable, postgresql: Executable) -> None:
        self._each = {
            "sqlite": [Statement(one) for one in each],
            "postgresql": [Statement(postgresql)],
        }

    def on(self, dialect: Dialect) -> list[Statement]:
        return self._each[dialect.name]


class Direct:
    """Runs statements on connections of an engine's pool. Raises what a session would raise."""

    def __init__(self, engine: Engine, way: Way) -> None:
        self._engine, self._dialect, self._way = engine, engine.dialect, way

    def all(self, statement: Statement, /, *, forced: bool = True, **values: Any) -> list[Row]:
        """Return the rows of a statement that reads. It may write, too, where it is `relaxing`."""
        return self._alone(statement, values, writes=False, forced=forced)

    def first(self, statement: Statement, /, **values: Any) -> Row | None:
        rows = self.all(statement, **values)
        return rows[0] if rows else None

    def write(self, statement: Statement, /, *, forced: bool = True, **values: Any) -> list[Row]:
        """Run a statement that writes, and is committed when this returns; return what it returns.

        Unless it is `forced`, a machine that fails may lose it within a second.
        """
        return self._alone(statement, values, writes=True, forced=forced)

    def run(self, steps: Steps, /, *, forced: bool = True, **values: Any) -> list[Row]:
        """Run steps, which are committed when this returns; return what the last one returns."""
        each = steps.on(self._dialect)
        if len(each) == 1:
            return self.write(each[0], forced=forced, **values)
        with self.transaction(forced=forced) as under_way:
            return under_way.run(steps, **values)

    @contextmanager
    def transaction(self, *, forced: bool = True) -> Iterator[Transaction]:
        """Run several statements as one: committed when the block ends, undone when it raises."""
        with self._connection() as driver:
            try:
                self._way.begin(driver, forced=forced)
                yield Transaction(driver, self._dialect)
                driver.commit()
            except BaseException:  # whatever it is: the connection goes back to the pool with nothing begun
                driver.rollback()
                raise

    def _alone(
        self, statement: Statement, values: dict[str, Any], *, writes: bool, forced: bool
    ) -> list[Row]:
        asked = statement.compiled(self._dialect)
        parameters = asked.parameters({**values, RELAXED: not forced})
        with self._connection() as driver:
            return asked.converted(
                self._way.alone(driver, asked.text, parameters, writes=writes, forced=forced)
            )

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        """Give a connection of the pool, and raise what its driver raises as a session would."""
        taken = None
        try:
            taken = self._engine.raw_connection()
            yield taken.driver_connection
        except self._dialect.loaded_dbapi.Error as error:
            found = trouble.judged(error)
            lost = bool(found and found.reopens) or self._dialect.is_disconnect(error, None, None)
            if lost and taken is not None:
                taken.invalidate(error)
            raise DBAPIError.instance(
                None,
                None,
                error,
                self._dialect.loaded_dbapi.Error,
                hide_parameters=True,
                connection_invalidated=lost,
                dialect=self._dialect,
            ) from error
        finally:
            if taken is not None:
                taken.close()


class Transaction:
    """What has begun on one connection."""

    def __init__(self, driver: Any, dialect: Dialect) -> None:
        self._driver, self._dialect = driver, dialect

    def all(self, statement: Statement, /, **values: Any) -> list[Row]:
        asked = statement.compiled(self._dialect)
        cursor = self._driver.execute(asked.text, asked.parameters(values))
        return asked.converted(cursor.fetchall()) if asked.returns else []

    def run(self, steps: Steps, /, **values: Any) -> list[Row]:
        """Run all of these steps; return what the last one returns."""
        found: list[Row] = []
        for step in steps.on(self._dialect):
            found = self.all(step, **values)
        return found

    def first(self, statement: Statement, /, **values: Any) -> Row | None:
        rows = self.all(statement, **values)
        return rows[0] if rows else None


def columns_of(model: type[Base]) -> tuple[Column[Any], ...]:
    """Return the columns that `made` wants the values of, in their order."""
    return tuple(cast(Table, model.__table__).columns)


def made(model: type[Model], values: Row) -> Model:
    """Return an object of these values, as if a session had loaded it and let it go."""
    row = model()
    instance_dict(row).update(zip(_names_of(model), values, strict=True))
    return row


def values_of(row: Base) -> dict[str, Any]:
    """Return what an object has for its columns, by their names: all that an insert of it must be given."""
    found = instance_dict(row)
    return {name: found.get(name) for name in _names_of(type(row))}


@cache
def _names_of(model: type[Base]) -> tuple[str, ...]:
    return tuple(column.name for column in columns_of(model))
