"""AUDIT_SYNC: whether a read waits for the disk. What is stored always does."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from app.extensions import db
from app.http.settling import Unsettled, settle
from tests.http.test_settling import adds, starts
from tests.support.browser import Agent
from tests.support.service import Service, StartService

pytestmark = pytest.mark.usefixtures("company")

BODY = {"name": "", "token_type": "git", "token": "t"}
READS = (
    ("GET", "/api/users/:username/connection/gettokens", None),
    ("POST", "/api/users/:username/connection/gettoken", {"name": "", "token_type": "git"}),
    ("GET", "/api/users/:username/get/connection/1", None),
    ("GET", "/api/connections/github/token", None),
)


# PostgreSQL's own word, from within each transaction that wrote an event, as it commits.
NOTING = """
CREATE TABLE notes (said text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO notes VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER noting AFTER INSERT ON audit_events
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note();
"""
UNDO = "DROP TRIGGER noting ON audit_events; DROP FUNCTION note; DROP TABLE notes;"


@contextmanager
def commits(service: Service) -> Iterator[list[str]]:
    """Note how each transaction that writes an event meanwhile reaches the disk."""
    with service.app.app_context():
        engine = db.engine
    with (_by_pragma if engine.dialect.name == "sqlite" else _by_trigger)(engine) as found:
        yield found


@contextmanager
def _by_trigger(engine: Engine) -> Iterator[list[str]]:
    found: list[str] = []
    with engine.begin() as connection:
        connection.exec_driver_sql(NOTING)
    yield found
    with engine.begin() as connection:
        found += connection.exec_driver_sql("SELECT said FROM notes").scalars()
        connection.exec_driver_sql(UNDO)


@contextmanager
def _by_pragma(engine: Engine) -> Iterator[list[str]]:
    """Note what each connection, a new one, was last told when it writes an event."""
    found: list[str] = []

    def watch(connection: sqlite3.Connection, _record: Any) -> None:
        told = str(connection.execute("PRAGMA synchronous").fetchone()[0])

        def note(statement: str) -> None:
            nonlocal told
            if statement.startswith("PRAGMA synchronous="):
                told = statement.partition("=")[2]
            elif "INSERT INTO audit_events" in statement:
                found.append(told)

        connection.set_trace_callback(note)

    engine.dispose()
    event.listen(engine, "connect", watch)
    yield found
    event.remove(engine, "connect", watch)
    engine.dispose()


@pytest.mark.parametrize("setting", ["true", "false"])
def test_reads_are_forced_to_disk_if_so_set(start_service: StartService, setting: str) -> None:
    service = start_service(AUDIT_SYNC=setting)
    user = service.user()
    assert Agent(service).connect(user, "github").status_code == 200
    user.call("POST", "/api/users/:username/connections/addtoken", json=BODY)
    forced, relaxed = {"2", "FULL", "on"}, {"1", "NORMAL", "off"}
    for method, path, body in READS:
        with commits(service) as found:
            assert user.call(method, path, json=body).status_code == 200
        assert found and set(found) <= (forced if setting == "true" else relaxed), path
    with commits(service) as found:
        assert user.call("POST", "/api/users/:username/connections/addtoken", json=BODY).status_code == 201
    assert found and set(found) <= forced, "what is stored waits for the disk"
    assert len(user.call("GET", "/api/audit?action=token.read").json()["events"]) == 1


def test_what_a_callback_brings_waits_for_the_disk(service: Service) -> None:
    user = service.user()
    with commits(service) as found:
        assert Agent(service).connect(user, "github").status_code == 200
    assert found[-1] in ("2", "FULL", "on")


def test_an_addition_waits_for_the_disk_whatever_is_stored_with_it(service: Service) -> None:
    user = service.user()
    with commits(service) as found:
        asked = [*starts(service), *adds(service, [user])]
        settle([call.answer for call in asked if isinstance(call.answer, Unsettled)])
    assert found and set(found) <= {"2", "FULL", "on"}
