"""AUDIT_SYNC: whether a read waits for the disk. What is stored always does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from app.extensions import db
from tests.support.browser import Agent
from tests.support.service import Service, StartService

BODY = {"name": "", "token_type": "git", "token": "t"}
READS = (
    ("GET", "/api/users/:username/connection/gettokens", None),
    ("POST", "/api/users/:username/connection/gettoken", {"name": "", "token_type": "git"}),
    ("GET", "/api/users/:username/get/connection/1", None),
    ("GET", "/api/connections/github/token", None),
)


@contextmanager
def commits(service: Service) -> Iterator[list[str]]:
    """Note how each transaction that is committed meanwhile reaches the disk."""
    found: list[str] = []
    with service.app.app_context():
        engine = db.engine
    asked = "PRAGMA synchronous" if engine.dialect.name == "sqlite" else "SHOW synchronous_commit"

    def note(connection: object) -> None:
        cursor = connection.connection.cursor()  # type: ignore[attr-defined]
        cursor.execute(asked)
        found.append(str(cursor.fetchone()[0]))
        cursor.close()

    event.listen(engine, "commit", note)
    yield found
    event.remove(engine, "commit", note)


@pytest.mark.parametrize("setting", ["true", "false"])
def test_reads_are_forced_to_disk_if_so_set(start_service: StartService, setting: str) -> None:
    service = start_service(AUDIT_SYNC=setting)
    user = service.user()
    assert Agent(service).connect(user, "github").status_code == 200
    user.call("POST", "/api/users/:username/connections/addtoken", json=BODY)
    forced, relaxed = {"2", "on"}, {"1", "off"}
    for method, path, body in READS:
        with commits(service) as found:
            assert user.call(method, path, json=body).status_code == 200
        assert found and set(found) <= (forced if setting == "true" else relaxed), path
    with commits(service) as found:
        assert user.call("POST", "/api/users/:username/connections/addtoken", json=BODY).status_code == 201
    assert found and set(found) <= forced, "what is stored waits for the disk"
    assert len(user.call("GET", "/api/audit?action=token.read").json()["events"]) == 1
