"""Statements without a session: what they write is kept, whatever the connection was used for before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import BigInteger, String, bindparam, delete, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.extensions import db, direct
from app.models import BrowserSession, Service
from app.models.direct import Statement, Steps
from app.services import browser_sessions
from tests.support.service import Service as Running
from tests.support.service import StartService

LIFE = timedelta(hours=1)


@pytest.fixture
def alone(start_service: StartService) -> Running:
    """A service whose pool has no connection but the one that a test has used."""
    service = start_service()
    with service.app.app_context():
        db.engine.dispose()
    return service


def kept(service: Running, id: str) -> bytes | None:
    """Return what others see."""
    with service.app.app_context():
        found = db.session.scalar(select(BrowserSession.data).where(BrowserSession.id == id))
        db.session.remove()
        return found


def test_a_write_is_kept_after_a_transaction_with_a_level_of_its_own(alone: Running) -> None:
    with alone.app.app_context():
        db.session.connection(execution_options={"reads_only": True, "isolation_level": "SERIALIZABLE"})
        db.session.execute(select(Service)).all()
        db.session.rollback()
        browser_sessions.save("after", b"data", LIFE)
        assert db.engine.pool.checkedin() == 1, "it was not the same connection"  # type: ignore[attr-defined]
        db.engine.dispose()
    assert kept(alone, "after") == b"data"


def test_a_session_is_kept_anew_and_its_end_too(service: Running) -> None:
    with service.app.app_context():
        browser_sessions.save("again", b"first", -LIFE)
        assert browser_sessions.load("again") is None
        browser_sessions.save("again", b"second", LIFE)
        assert browser_sessions.load("again") == b"second"
        browser_sessions.drop("again")
        assert browser_sessions.load("again") is None


def test_saving_waits_for_no_lock_of_ones_own(service: Running) -> None:
    with service.app.app_context():
        db.session.execute(delete(BrowserSession).where(BrowserSession.id == "left open"))
        browser_sessions.save("left open", b"data", LIFE)
    assert kept(service, "left open") == b"data"


def test_a_transaction_that_raises_is_undone(service: Running) -> None:
    dropping = Statement(delete(BrowserSession).returning(BrowserSession.id))
    with service.app.app_context():
        browser_sessions.save("undone", b"data", LIFE)
        with pytest.raises(ZeroDivisionError), direct.transaction() as under_way:
            assert under_way.first(dropping)
            raise ZeroDivisionError
    assert kept(service, "undone") == b"data"


def test_what_the_last_statement_meets_undoes_the_others(alone: Running) -> None:
    dropping = Statement(delete(BrowserSession).returning(BrowserSession.id))
    again = text("INSERT INTO services SELECT * FROM services")
    with alone.app.app_context():
        browser_sessions.save("undone", b"data", LIFE)
        for _ in range(2):
            with pytest.raises(IntegrityError), direct.transaction() as under_way:
                assert under_way.first(dropping)
                under_way.end(Steps(again, postgresql=again))
            assert db.engine.pool.checkedin() == 1, "it was not the same connection"  # type: ignore[attr-defined]
    assert kept(alone, "undone") == b"data"


def test_a_transaction_may_have_one_statement_or_none(service: Running) -> None:
    dropping = delete(BrowserSession).where(BrowserSession.id == "one").returning(BrowserSession.id)
    with service.app.app_context():
        browser_sessions.save("one", b"data", LIFE)
        with direct.transaction():
            pass
        with direct.transaction() as under_way:
            assert under_way.end(Steps(dropping, postgresql=dropping))
    assert kept(service, "one") is None


def test_what_the_database_refuses_is_raised_as_by_a_session(service: Running) -> None:
    again = Statement(text("INSERT INTO services SELECT * FROM services"))
    with service.app.app_context(), pytest.raises(IntegrityError):
        direct.write(again)


def test_a_connection_comes_back_whatever_happens(service: Running) -> None:
    again = Statement(text("INSERT INTO services SELECT * FROM services"))
    dropping = Statement(delete(BrowserSession))
    with service.app.app_context():
        with pytest.raises(IntegrityError):
            direct.write(again)
        with pytest.raises(IntegrityError), direct.transaction() as under_way:
            under_way.all(dropping)
            under_way.all(again)
        with pytest.raises(KeyboardInterrupt), direct.transaction() as under_way:
            under_way.all(dropping)
            raise KeyboardInterrupt
        pool: Any = db.engine.pool
        assert pool.checkedout() == 0
        browser_sessions.save("after all", b"data", LIFE)
    assert kept(service, "after all") == b"data"


def test_a_connection_that_was_lost_is_replaced(service: Running) -> None:
    with service.app.app_context():
        browser_sessions.save("before", b"data", LIFE)
        with db.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
        with pytest.raises(DBAPIError) as lost, direct.transaction() as under_way:
            driver.close()
            under_way.all(Statement(delete(BrowserSession)))
        assert lost.value.connection_invalidated
        for _ in range(20):
            assert browser_sessions.load("before") == b"data"


def test_a_statement_takes_values_of_every_size_and_none(alone: Running) -> None:
    given = bindparam("wide", type_=BigInteger()), bindparam("text", type_=String())
    echo = Statement(select(*given))
    asked: list[tuple[int | None, str | None]] = [(1, "a"), (2**40, None), (None, "b"), (1, None), (1, "a")]
    with alone.app.app_context():
        assert [tuple(direct.all(echo, wide=wide, text=text)[0]) for wide, text in asked] == asked
        assert db.engine.pool.checkedin() == 1, "it was not the same connection"  # type: ignore[attr-defined]


def test_what_one_statement_found_is_not_in_the_rows_of_another(alone: Running) -> None:
    many = Statement(select(Service.name, Service.enabled).where(Service.name != bindparam("but")))
    few = Statement(select(Service.enabled, Service.id).where(Service.name == bindparam("one")))
    with alone.app.app_context():
        for but in ("spotify", "github", "spotify"):
            names = {row[0] for row in direct.all(many, but=but)}
            assert names == set(db.session.scalars(select(Service.name).where(Service.name != but)))
            [[enabled, _]] = direct.all(few, one=but)
            assert enabled is True or enabled == 1
            assert direct.all(few, one="none of ours") == []
            db.session.rollback()
