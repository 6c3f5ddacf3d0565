"""What is asked of a database, as its driver sees it, and how the database would go about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from flask import Flask
from sqlalchemy import event

from app.extensions import db
from app.models.postgresql import BoundedConnection
from app.models.prepared import Statements

Asked = tuple[str, Any]  # the statement, and its parameters if they do not stand in it

_NOT_COUNTED = re.compile(r"PRAGMA|BEGIN|COMMIT|ROLLBACK|--")


@contextmanager
def noted(app: Flask) -> Iterator[list[Asked]]:
    """Note every statement, but for those that only frame the others; with connections of its own."""
    found: list[Asked] = []

    class Noting(psycopg.Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
            note(query, params)
            return super().execute(query, params, **options)

    class NotingStatements(Statements):
        def run(self, text: str, values: Any, **along: Any) -> Any:
            note(text, values)
            return super().run(text, values, **along)

        def run_together(self, each: Any) -> None:
            for one in each:
                note(*one)
            super().run_together(each)

    def note(query: str, params: Any = None) -> None:
        if not _NOT_COUNTED.match(query):
            found.append((query, params))

    def listen(connection: Any, _record: Any) -> None:
        if isinstance(connection, BoundedConnection):
            connection.cursor_factory = Noting
            connection.statements = NotingStatements(connection)
        else:
            connection.set_trace_callback(note)

    with app.app_context():
        engine = db.engine
    engine.dispose()
    event.listen(engine, "connect", listen)
    try:
        yield found
    finally:
        event.remove(engine, "connect", listen)
        engine.dispose()


def plan_of(app: Flask, asked: Asked) -> str:
    """Return how the database would go about this statement, step by step."""
    statement, parameters = asked
    with app.app_context(), db.engine.connect() as connection:
        word = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
        driver: Any = connection.connection.driver_connection
        counts = isinstance(driver, psycopg.Connection) and isinstance(parameters, list)
        cursor = psycopg.RawCursor(driver) if counts else driver.cursor()
        cursor.execute(word + statement, *([parameters] if parameters else []))
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def walked_through(plan: str, table: str) -> bool:
    """Tell whether a plan reads this table from one end to the other."""
    steps = (f"Seq Scan on {table}\\b", f"SCAN {table}(?! USING)\\b")
    return any(re.search(step, plan) for step in steps)
