"""What PostgreSQL has parsed for a connection stays of use, or is parsed anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from app.models import engines
from app.models.direct import Direct, Statement
from tests.support.databases import PostgresqlDatabases

COUNT = Statement(text("SELECT * FROM counted"))


@pytest.fixture
def engine(postgresql: PostgresqlDatabases) -> Iterator[Engine]:
    url = postgresql.new()
    made = create_engine(url, **engines.options(url))
    yield made
    made.dispose()


@pytest.fixture
def direct(engine: Engine) -> Iterator[Direct]:
    """Statements on the one connection that its pool has."""
    direct = engines.listen(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE counted AS SELECT 1 AS one"))
    yield direct
    assert engine.pool.checkedin() == 1, "it was not the same connection"  # type: ignore[attr-defined]


def test_it_is_parsed_once(direct: Direct) -> None:
    for _ in range(10):
        assert direct.all(COUNT) == [(1,)]
    assert direct.all(Statement(text("SELECT count(*) FROM pg_prepared_statements"))) == [(2,)]


def test_a_rollback_of_a_session_leaves_it(engine: Engine, direct: Direct) -> None:
    """psycopg ends every statement that was prepared, once a transaction of its own was rolled back."""
    assert direct.all(COUNT) == [(1,)]
    with engine.connect() as connection:
        for _ in range(10):
            connection.execute(text("SELECT CAST(:two AS integer)"), {"two": 2})
        connection.rollback()
    assert direct.all(COUNT) == [(1,)]


@pytest.mark.parametrize("ends", ["DEALLOCATE ALL", "ALTER TABLE counted ALTER COLUMN one TYPE text"])
def test_what_the_server_knows_no_more_fails_once(engine: Engine, direct: Direct, ends: str) -> None:
    """A pooler may have reset the connection; a migration may have changed what the statement returns."""
    [(before,)] = direct.all(COUNT)
    with engine.begin() as connection:
        connection.execute(text(ends))
    with suppress(DBAPIError):
        direct.all(COUNT)
    for _ in range(2):
        [(after,)] = direct.all(COUNT)
        assert str(after) == str(before)
