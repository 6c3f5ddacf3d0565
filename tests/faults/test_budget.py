"""How long a database may be waited for: by one request in all, and by other work for each piece."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from flask_migrate import upgrade
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app import create_app
from app.extensions import db
from app.models import breaker, budget, trouble
from app.models.breaker import Breaker
from app.models.budget import TooLong
from config import Config
from tests.support.databases import PostgresqlDatabases
from tests.support.processes import run
from tests.support.service import Service, StartService
from tests.support.settings import base_settings

SHORT = 0.5  # seconds, instead of four
PART = 0.3  # of it, so that two are too much
READ = "/api/auth/me"  # asks the database, and waits for no lock
WRITE = "/api/auth/logout"
SLEEP = text(f"SELECT pg_sleep({PART})")
DELETION = text("DELETE FROM logins")


@pytest.fixture
def own(start_service: StartService) -> Service:
    return start_service()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "REQUEST", SHORT)
    monkeypatch.setattr(budget, "ALONE", SHORT)


@contextlib.contextmanager
def locked_for(service: Service, seconds: float) -> Iterator[None]:
    """Let whoever writes wait for so long."""
    url = service.environ["DATABASE_URL"]
    if url.startswith("sqlite"):
        path = url.removeprefix("sqlite:///")
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
    else:
        other = psycopg.connect(url)
        other.execute("LOCK TABLE audit_events, logins")
    timer = threading.Timer(seconds, other.close)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def test_a_thread_begins_each_request_with_a_whole_budget(
    own: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "REQUEST", SHORT)
    users = [own.user() for _ in range(3)]
    client = own.app.test_client()  # in this thread, one after the other
    answers = []
    for user in users[:2]:
        with locked_for(own, PART):
            answers.append(client.post(WRITE, headers=user.headers).status_code)
    with locked_for(own, 2 * SHORT):
        answers.append(client.post(WRITE, headers=users[2].headers).status_code)
    assert answers == [200, 200, 503]
    with budget.current() as seconds:
        assert seconds == budget.ALONE, "and leaves nothing of it behind"


@pytest.mark.usefixtures("short")
def test_everything_that_a_request_waits_for_is_counted_together(own: Service) -> None:
    with own.app.app_context(), budget.of(SHORT):
        with locked_for(own, PART):
            db.session.execute(DELETION)
        db.session.rollback()
        with locked_for(own, PART), pytest.raises(SQLAlchemyError):
            db.session.execute(DELETION)
        db.session.rollback()
        begun = time.monotonic()
        with pytest.raises(SQLAlchemyError) as spent:
            db.session.execute(text("SELECT 1"))
        assert time.monotonic() - begun < PART / 2
        assert trouble.of(spent.value)
        db.session.rollback()
    with own.app.app_context():
        assert db.session.scalar(text("SELECT 1")) == 1


def test_a_lock_that_was_held_for_long_is_taken_as_soon_as_it_is_free(own: Service) -> None:
    """SQLite left to itself would sleep for 100 ms at a time by then, and find it free when it wakes."""
    late = []
    for held in (0.26, 0.35, 0.46):
        user = own.user()
        with locked_for(own, held):
            begun = time.monotonic()
            assert user.call("POST", WRITE).status_code == 200
            late.append(time.monotonic() - begun - held)
    assert min(late) < 0.04, late


@pytest.mark.usefixtures("short")
def test_a_connection_that_no_thread_gives_back_is_waited_for_within_it(own: Service) -> None:
    user = own.user()
    with own.app.app_context(), contextlib.ExitStack() as all_of_them:
        for _ in range(10):
            all_of_them.enter_context(db.engine.connect())
        begun = time.monotonic()
        answer = user.call("GET", READ)
        assert time.monotonic() - begun < 2 * SHORT
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    assert user.call("GET", READ).status_code == 200


def test_all_addresses_of_a_host_are_tried_within_it() -> None:
    """Two that take connections and say nothing, as a frozen server does."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"host=127.0.0.1:{silent.getsockname()[1]}"
        url = f"postgresql://nobody@/none?{host}&{host}"
        app = create_app(Config.from_env({**base_settings(), "DATABASE_URL": url}))
        begun = time.monotonic()
        with app.app_context(), budget.of(SHORT), pytest.raises(SQLAlchemyError) as late:
            db.session.execute(text("SELECT 1"))
        assert time.monotonic() - begun < 2 * SHORT
        assert trouble.of(late.value) == "it did not answer in time"


def test_after_a_wait_in_vain_one_asks_at_a_time_and_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "LATER", 0.2)
    database = Breaker()
    with contextlib.suppress(TooLong), database.asking():
        raise TooLong("it did not answer in time")
    with budget.of(4), database.asking() as seconds:
        assert seconds <= breaker.SOON
        begun = time.monotonic()
        with pytest.raises(TooLong), ThreadPoolExecutor(1) as other:
            other.submit(lambda: database.asking().__enter__()).result()
        assert time.monotonic() - begun < 2 * breaker.PATIENCE
    with database.asking() as seconds:
        assert seconds == budget.ALONE, "it has answered: all is as before"


def test_a_database_that_is_back_and_slow_is_found_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "LATER", 0.1)
    database, given = Breaker(), []
    for _ in range(3):
        with contextlib.suppress(TooLong), database.asking() as seconds:
            given.append(seconds)
            raise TooLong("it did not answer in time")
        if len(given) == 2:
            time.sleep(0.1)
    assert given == [budget.ALONE, breaker.SOON, budget.ALONE]


@pytest.mark.usefixtures("short")
def test_other_work_has_a_bound_for_each_piece(postgresql: PostgresqlDatabases) -> None:
    app = create_app(Config.from_env({**base_settings(), "DATABASE_URL": postgresql.new()}))
    with app.app_context():
        for _ in range(3):
            db.session.execute(SLEEP)
        with pytest.raises(SQLAlchemyError) as late:
            db.session.execute(text("SELECT pg_sleep(2)"))
        assert trouble.of(late.value) == "it did not answer in time"
        db.session.rollback()
        db.engine.dispose()


@pytest.mark.usefixtures("short")
def test_migrations_may_take_longer(postgresql: PostgresqlDatabases) -> None:
    """They wait here for another node's, which take their time."""
    url = postgresql.empty()
    app = create_app(Config.from_env({**base_settings(), "DATABASE_URL": url}))
    other = psycopg.connect(url)
    other.execute("SELECT pg_advisory_xact_lock(7466116)")
    timer = threading.Timer(2 * SHORT, other.close)
    timer.start()
    with app.app_context():
        upgrade()
        assert db.session.scalar(text("SELECT count(*) FROM services"))
        db.session.rollback()
        db.engine.dispose()
    timer.join()


def test_a_fault_of_ours_is_none_of_the_databases(own: Service, caplog: pytest.LogCaptureFixture) -> None:
    user = own.user()
    with own.app.app_context():
        db.session.execute(text("ALTER TABLE connections RENAME TO connections_away"))
        db.session.commit()
    answer = user.call("GET", "/api/users/:username/get/connections")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("words", ["users list", "db upgrade"])
def test_the_command_line_says_it_in_one_line(words: str) -> None:
    away = {**base_settings(), "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    ended = run("-m", "flask", "--app", "wsgi", *words.split(), environ=away)
    assert ended.returncode == 1
    assert "Error: The database does not answer: it cannot be reached, or was lost." in ended.stderr
    assert "Traceback" not in ended.stderr
