"""What PostgreSQL has parsed for a connection stays of use, or is parsed anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from app.models import engines
from app.models.direct import Direct, Statement, Steps
from app.models.postgresql import BoundedConnection
from tests.support.databases import PostgresqlDatabases

COUNT = Statement(text("SELECT * FROM counted"))
ADDING = text("INSERT INTO counted VALUES (2)")


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


def test_a_transaction_of_two_statements_is_two_round_trips(
    direct: Direct, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BEGIN goes along with the first, and COMMIT with the last."""
    step, waits = Steps(ADDING, postgresql=ADDING), list[None]()
    wait = BoundedConnection.wait

    def counting(self: Any, *given: Any, **named: Any) -> Any:
        waits.append(None)
        return wait(self, *given, **named)

    direct.all(COUNT)
    direct.run(step)
    monkeypatch.setattr(BoundedConnection, "wait", counting)
    with direct.transaction() as under_way:
        assert len(under_way.all(COUNT)) == 2
        under_way.end(step)
    assert len(waits) == 2
    assert len(direct.all(COUNT)) == 3


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
