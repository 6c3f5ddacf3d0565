"""Statements that are asked again and again: compiled once, and then run by the driver itself.

SQLAlchemy says what is asked and how each value is converted; what it does beyond that at each execution
costs several times what the database does. Nothing here is loaded into a session, and no transaction of one
is joined: the connections are of the same pool, with the same bounds, and so are the failures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import Boolean, Column, Dialect, Engine, String, Table, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm.attributes import instance_dict
from sqlalchemy.sql.expression import ClauseElement, Executable, FunctionElement

from .base import Base
from .lent import Lent, Looks

Row = Sequence[Any]
Model = TypeVar("Model", bound=Base)

RELAXED = "relaxed"


class relaxing(FunctionElement):  # type: ignore[type-arg]  # noqa: N801 - reads as the SQL function it is
    """A column of what a statement returns that writes by itself: its commit waits for no disk if so asked.

    On PostgreSQL alone: SQLite's connections are told. What returns nothing there is committed within the one
    step that writes, and gives up the lock before the interpreter is back from it.
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


class Way(Looks, Protocol):
    """How one kind of database does on a connection of its driver what is asked here."""

    dialect: Dialect  # that statements are compiled for

    def ask(self, driver: Any, asked: Compiled, values: Any, *, last: bool) -> list[Row]:
        """Run a statement in the transaction that has begun; after the last one it may be committed."""

    def ask_alone(
        self, driver: Any, asked: Compiled, values: Any, *, writes: bool, forced: bool
    ) -> list[Row]:
        """Run a statement as a transaction of its own."""

    def transaction(self, driver: Any, *, forced: bool) -> AbstractContextManager[Any]:
        """Write in one transaction, committed after the block; give the connection that it is on."""

    def ask_together(self, driver: Any, each: Sequence[tuple[Compiled, Any]], *, forced: bool) -> None:
        """Run statements that write, each with its values, as one transaction."""


class Statement:
    """What is asked, with a `bindparam` for each value.

    `given` are the columns that an insert has values for. `postgresql` is asked there instead.
    """

    def __init__(
        self, asked: Executable, *, given: Sequence[str] | None = None, postgresql: Executable | None = None
    ) -> None:
        self._asked = {"sqlite": asked, "postgresql": asked if postgresql is None else postgresql}
        self._given = given
        self._compiled: dict[str, Compiled] = {}

    def on(self, dialect: Dialect) -> Sequence[Statement]:
        """Return the steps that it is done in."""
        return (self,)

    def compiled(self, dialect: Dialect) -> Compiled:
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = Compiled(self._asked[dialect.name], self._given, dialect)
        return found


class Compiled:
    """A statement as text, and what is done to the values that go in and come out."""

    def __init__(self, asked: Executable, given: Sequence[str] | None, dialect: Dialect) -> None:
        compiled: Any = cast(ClauseElement, asked).compile(dialect=dialect, column_keys=given)
        self.text: str = compiled.string
        self.returns = bool(compiled._result_columns)
        names: Mapping[Any, str] = compiled.bind_names
        converts = [(names[bind], bind.type.dialect_impl(dialect).bind_processor(dialect)) for bind in names]
        self._converts = [(name, convert) for name, convert in converts if convert is not None]
        self._fixed = {name: bind.effective_value for bind, name in names.items() if not bind.required}
        self._order: Sequence[str] | None = compiled.positiontup
        self._results = _conversions([column.type for column in compiled._result_columns], dialect)

    def parameters(self, values: Mapping[str, Any]) -> Any:
        """Return what the driver takes: a list where places are counted, a mapping where they have names."""
        given = {**self._fixed, **values}
        for name, convert in self._converts:
            given[name] = convert(given[name])
        return given if self._order is None else [given[name] for name in self._order]

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

    def on(self, dialect: Dialect) -> Sequence[Statement]:
        return self._each[dialect.name]


class Direct:
    """Runs statements on connections of an engine's pool. Raises what a session would raise."""

    def __init__(self, engine: Engine, way: Way) -> None:
        self._engine, self._dialect, self._way = engine, way.dialect, way

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

    def write_together(
        self, *these: tuple[Statement | Steps, Sequence[Mapping[str, Any]]], forced: bool = True
    ) -> None:
        """Run these, one after the other, for each of their rows, all in one transaction."""
        each = [(step, row) for what, rows in these for row in rows for step in what.on(self._dialect)]
        asked = [(step.compiled(self._dialect), row) for step, row in each]
        made = [(one, one.parameters({**row, RELAXED: not forced})) for one, row in asked]
        with Lent(self._engine, self._way) as driver:
            if len(made) == 1:
                self._way.ask_alone(driver, *made[0], writes=True, forced=forced)
            else:
                self._way.ask_together(driver, made, forced=forced)

    def run(self, steps: Steps, /, *, forced: bool = True, **values: Any) -> list[Row]:
        """Run steps, which are committed when this returns; return what the last one returns."""
        each = steps.on(self._dialect)
        if len(each) == 1:
            return self.write(each[0], forced=forced, **values)
        with self.transaction(forced=forced) as under_way:
            return under_way.end(steps, **values)

    @contextmanager
    def transaction(self, *, forced: bool = True) -> Iterator[Transaction]:
        """Run several statements as one: committed when the block ends, undone when it raises."""
        with (
            Lent(self._engine, self._way) as own,
            self._way.transaction(own, forced=forced) as driver,
        ):
            yield Transaction(driver, self._dialect, self._way)

    def _alone(
        self, statement: Statement, values: dict[str, Any], *, writes: bool, forced: bool
    ) -> list[Row]:
        asked = statement.compiled(self._dialect)
        values[RELAXED] = not forced
        parameters = asked.parameters(values)
        with Lent(self._engine, self._way) as driver:
            rows = self._way.ask_alone(driver, asked, parameters, writes=writes, forced=forced)
        return asked.converted(rows)


class Transaction:
    """What begins on one connection with the first statement."""

    def __init__(self, driver: Any, dialect: Dialect, way: Way) -> None:
        self._driver, self._dialect, self._way = driver, dialect, way

    def all(self, statement: Statement, /, **values: Any) -> list[Row]:
        return self._ask(statement, values, last=False)

    def first(self, statement: Statement, /, **values: Any) -> Row | None:
        rows = self.all(statement, **values)
        return rows[0] if rows else None

    def end(self, steps: Steps, /, **values: Any) -> list[Row]:
        """Run these steps, and nothing after them; return what the last one returns."""
        *others, last = steps.on(self._dialect)
        for step in others:
            self._ask(step, values, last=False)
        return self._ask(last, values, last=True)

    def _ask(self, statement: Statement, values: Mapping[str, Any], *, last: bool) -> list[Row]:
        asked = statement.compiled(self._dialect)
        return asked.converted(self._way.ask(self._driver, asked, asked.parameters(values), last=last))


def columns_of(model: type[Base]) -> tuple[Column[Any], ...]:
    """Return the columns that `made` wants the values of, in their order."""
    return tuple(cast(Table, model.__table__).columns)


def made(model: type[Model], values: Row) -> Model:
    """Return an object of these values, as if a session had loaded it and let it go."""
    row = model.of()
    instance_dict(row).update(zip(_names_of(model), values, strict=True))
    return row


def values_of(row: Base) -> dict[str, Any]:
    """Return what an object has for its columns, by their names: all that an insert of it must be given."""
    found = instance_dict(row)
    return {name: found.get(name) for name in _names_of(type(row))}


@cache
def _names_of(model: type[Base]) -> tuple[str, ...]:
    return tuple(column.name for column in columns_of(model))
