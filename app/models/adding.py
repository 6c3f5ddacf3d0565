"""Inserts of any number of rows by one statement, which has one value: a JSON text of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from msgspec import json
from sqlalchemy import (
    JSON,
    Column,
    Dialect,
    Insert,
    Select,
    String,
    Table,
    TypeDecorator,
    bindparam,
    func,
    insert,
    select,
)
from sqlalchemy import cast as sql_cast

from .base import Base
from .direct import Statement, relaxing


class _AsJson(TypeDecorator[Sequence[Mapping[str, Any]]]):
    """Rows as one JSON text: each value is written as the database takes it for its column."""

    impl = String
    cache_ok = True

    def __init__(self, *columns: Column[Any]) -> None:
        super().__init__()
        self._columns = columns
        self._converts: dict[str, list[tuple[str, Any]]] = {}

    def process_bind_param(self, value: Sequence[Mapping[str, Any]] | None, dialect: Dialect) -> str:
        converts = self._converts.get(dialect.name) or self._find_converts(dialect)
        rows = [dict(row) for row in value or ()]
        for row in rows:
            for name, convert in converts:
                row[name] = convert(row[name])
        return json.encode(rows).decode()

    def _find_converts(self, dialect: Dialect) -> list[tuple[str, Any]]:
        kinds = [(column.name, column.type.dialect_impl(dialect)) for column in self._columns]
        converts = [(name, kind.bind_processor(dialect)) for name, kind in kinds]
        found = [(name, convert) for name, convert in converts if convert is not None]
        self._converts[dialect.name] = found
        return found


def adding(model: type[Base], names: Sequence[str]) -> Statement:
    """Return an insert of `rows`, of any number: of each the values that it has for these columns."""
    columns = [cast(Table, model.__table__).c[name] for name in names]
    given = bindparam("rows", type_=_AsJson(*columns))
    each = func.json_each(given).table_valued("value").c.value
    typed = func.json_to_recordset(sql_cast(given, JSON)).table_valued(*columns)
    rows = typed.render_derived(name="given", with_types=True)
    return Statement(
        _inserting(model, names, select(*(func.json_extract(each, f"$.{name}") for name in names))),
        postgresql=_inserting(model, names, select(*rows.c)).returning(relaxing()),
    )


def _inserting(model: type[Base], names: Sequence[str], rows: Select[Any]) -> Insert:
    return insert(model).from_select(names, rows, include_defaults=False)
