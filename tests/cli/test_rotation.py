"""Rotation while others are at work: no read fails, no write is lost, a kill does no harm."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import create_engine, func, select, text

from app.extensions import db, vault
from app.models import Base, Connection, KeyCheck
from app.services import resealing, rotation, sealed
from app.services.rotation import Rotated
from tests.conftest import start
from tests.support.databases import ROOT, PostgresqlDatabases
from tests.support.filling import data_of, fill
from tests.support.keys import keys, listed, ring, twin_with
from tests.support.processes import only
from tests.support.providers import Sandbox
from tests.support.service import Service, StartService, User

ROWS, WRITTEN = 1000, 20
COMMAND = (sys.executable, "-m", "flask", "--app", "wsgi", "keys", "rotate", "--batch", "1")


@pytest.fixture
def own(start_service: StartService, tmp_path: Path) -> Service:
    """A service with a database and a spool that nobody else fills."""
    return start_service(SPOOL_DIR=str(tmp_path / "spool"))


class Load:
    """Readers of all rows of a user, and writers who each have rows of their own to replace."""

    def __init__(self, user: User, ids: list[int]) -> None:
        self.user, self.ids = user, ids
        self.passwords = {id: data_of(number)["password"] for number, id in enumerate(ids)}
        self.reads, self.writes = 0, 0
        self.failed: list[str] = []

    @contextmanager
    def of(self, readers: list[Service], writers: dict[Service, list[int]]) -> Iterator[None]:
        """Read and write until the block ends."""
        stop = Event()
        with ThreadPoolExecutor() as pool:
            at_work = [pool.submit(self._read, server, stop) for server in readers]
            at_work += [pool.submit(self._write, server, ids, stop) for server, ids in writers.items()]
            try:
                yield
            finally:
                stop.set()
        for one in at_work:
            one.result()

    def _read(self, server: Service, stop: Event) -> None:
        while not stop.is_set():
            self._call(server, "GET", "get/connection", random.choice(self.ids))
            self.reads += 1

    def _write(self, server: Service, ids: list[int], stop: Event) -> None:
        while not stop.is_set():
            id, password = random.choice(ids), f"written {self.writes}"
            data = {"host": "192.0.2.1", "username": password, "password": password}
            self._call(server, "PUT", "update/connection/data", id, json={"data": data})
            self.passwords[id] = password
            self.writes += 1

    def _call(self, server: Service, method: str, path: str, id: int, **kwargs: Any) -> None:
        url = f"/api/users/{self.user.username}/{path}/{id}"
        answer = server.call(method, url, headers=self.user.headers, **kwargs)
        if answer.status_code != 200:
            self.failed.append(f"{method} {id}: {answer.status_code} {answer.text}")


def kill_in_the_middle(server: Service, ids: list[int]) -> int:
    """Rotate in a process of its own, and kill it when it has begun with these; return how many it did."""
    process = subprocess.Popen(COMMAND, cwd=ROOT, env=only(server.environ), stdout=subprocess.DEVNULL)
    try:
        while not (done := sealed_with(server, "k2", ids)):
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    return done


def sealed_with(server: Service, key_id: str, ids: list[int]) -> int:
    with server.app.app_context():
        sealer = func.substr(Connection.sealed, 3, 2)
        mine = select(func.count()).where(Connection.id.in_(ids), sealer == key_id.encode())
        return db.session.scalar(mine) or 0


def passwords(server: Service) -> dict[int, str]:
    with server.app.app_context():
        return {row.id: row.open(vault)["password"] for row in db.session.scalars(select(Connection))}


def rotate(server: Service, **options: Any) -> Rotated:
    with server.app.app_context():
        return rotation.rotate(**options)


def test_a_kill_in_the_middle_under_load(start_service: StartService, own: Service) -> None:
    user = own.user()
    ids = fill(own.app, [user.id], ROWS)
    load, idle = Load(user, ids), ids[: -2 * WRITTEN]
    older = twin_with(start_service, own, "k1", "k2")
    newer = twin_with(start_service, own, "k2", "k1")
    writers = {older: ids[-2 * WRITTEN : -WRITTEN], newer: ids[-WRITTEN:]}
    with load.of([older, newer], writers):
        assert 0 < kill_in_the_middle(newer, idle) < len(idle)
        assert sealed_with(newer, "k1", idle) > 0
    with load.of([newer], {newer: writers[newer]}):
        done = keys(newer, "rotate")
        assert done.exit_code == 0, done.output
    assert load.failed == [] and load.reads > 0 and load.writes > 0
    assert listed(newer)["k1"]["rows"]["connections"] == 0 and not listed(newer)["k1"]["has_check"]
    alone = twin_with(start_service, own, "k2")
    assert keys(alone, "verify").exit_code == 0 and passwords(alone) == load.passwords


def test_a_write_between_reading_and_storing_wins(start_service: StartService, own: Service) -> None:
    user = own.user()
    written, renamed, deleted, kept = fill(own.app, [user.id], 4)
    both = twin_with(start_service, own, "k2", "k1")
    with both.app.app_context():
        changes = [
            {"row": row.id, "old": row.sealed, "new": vault.reseal(row.sealed, *Connection.place(row))}
            for _, rows in sealed.walk()
            for row in rows
        ]
    path = "/api/users/:username/{}/{}"
    data = data_of(7)
    assert user.call("PUT", path.format("update/connection/data", written), json={"data": data}).ok
    assert user.call("PUT", path.format("update/connection/name", renamed), json={"name": "new"}).ok
    assert user.call("DELETE", path.format("connection/delete", deleted)).ok
    with both.app.app_context():
        assert resealing.store(Connection, changes) == 2
        assert resealing.store(Connection, changes) == 0
    assert passwords(both) == {
        written: data["password"],
        renamed: data_of(1)["password"],
        kept: data_of(3)["password"],
    }
    assert sealed_with(both, "k1", [written]) == 1 and sealed_with(both, "k2", [renamed, kept]) == 2
    listing = f"/api/users/{user.username}/get/connections"
    rows = both.call("GET", listing, headers=user.headers).json()["connections"]
    assert {row["id"]: row["name"] for row in rows} == {written: "", renamed: "new", kept: ""}


def test_what_is_written_meanwhile_with_the_old_key_is_found_too(
    start_service: StartService, own: Service
) -> None:
    fill(own.app, [own.user().id], 5)
    older = twin_with(start_service, own, "k1", "k2")
    newer = twin_with(start_service, own, "k2", "k1")
    rotated = rotate(newer, batch=2, progress=lambda _: write_behind_it(older))
    assert rotated.settled and rotated.retired == ["k1"] and rotated.moved.total() > 5
    assert set(listed(newer)["k1"]["rows"].values()) == {0}


def write_behind_it(server: Service) -> None:
    """Replace the first row, which a rotation is past."""
    with server.app.app_context():
        row = db.session.scalars(select(Connection).order_by(Connection.id).limit(1)).one()
        row.seal(vault, {"host": "h", "username": "u"}, {"password": "p"}, ["host", "username", "password"])
        db.session.commit()


@contextmanager
def locked(server: Service, id: int) -> Iterator[None]:
    """Hold a row as somebody does who is about to change it."""
    engine = create_engine(server.environ["DATABASE_URL"])
    with engine.connect() as connection:
        connection.execute(text("SELECT 1 FROM connections WHERE id = :id FOR UPDATE"), {"id": id})
        yield
    engine.dispose()


@pytest.fixture
def on_postgresql(postgresql: PostgresqlDatabases, sandbox: Sandbox, tmp_path: Path) -> Iterator[Service]:
    """A server with k2 and k1, and five rows that k1 has sealed; SQLite has no locks of rows."""
    spool = str(tmp_path / "spool")
    first = start(postgresql.new(), sandbox, SPOOL_DIR=spool)
    fill(first.app, [first.user().id], 5)
    url = first.environ["DATABASE_URL"]
    both = start(url, sandbox, SPOOL_DIR=spool, ENCRYPTION_KEYS=ring("k2", "k1"))
    assert both.call("GET", "/readyz").status_code == 200
    yield both
    first.close()
    both.close()


def ids_of(server: Service) -> list[int]:
    with server.app.app_context():
        return list(db.session.scalars(select(Connection.id).order_by(Connection.id)))


def test_a_row_that_is_held_is_not_waited_for_and_comes_later(on_postgresql: Service) -> None:
    first, *others = ids_of(on_postgresql)
    with ThreadPoolExecutor() as pool, locked(on_postgresql, first):
        rotating = pool.submit(rotate, on_postgresql)
        end = time.monotonic() + 10
        while sealed_with(on_postgresql, "k2", others) < len(others):
            assert time.monotonic() < end and not rotating.done()
            time.sleep(0.01)
        assert sealed_with(on_postgresql, "k1", [first]) == 1
    assert rotating.result().settled and sealed_with(on_postgresql, "k2", [first]) == 1


def test_a_row_that_is_never_let_go_keeps_the_old_key(
    on_postgresql: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "PAUSE", 0)
    with locked(on_postgresql, ids_of(on_postgresql)[0]):
        done = keys(on_postgresql, "rotate")
        told = keys(on_postgresql, "rotate", "--json")
    assert (done.exit_code, done.stdout.splitlines()[0]) == (1, "connections: 4 sealed anew")
    assert done.stderr.startswith("Error: Rows are still being sealed with another key than k2")
    assert (told.exit_code, json.loads(told.stdout)["settled"], told.stderr) == (1, False, done.stderr)
    assert listed(on_postgresql)["k1"]["has_check"] is True


def test_two_at_once_do_the_work_once(start_service: StartService, own: Service) -> None:
    fill(own.app, [own.user().id], 200)
    both = twin_with(start_service, own, "k2", "k1")
    with ThreadPoolExecutor() as pool:
        rotating = [pool.submit(rotate, both, batch=7) for _ in range(2)]
    done = [one.result() for one in rotating]
    assert sum(one.moved.total() for one in done) == 200 and all(one.settled for one in done)
    assert sorted(id for one in done for id in one.retired) == ["k1"]
    assert keys(twin_with(start_service, own, "k2"), "verify").exit_code == 0


def test_every_table_that_holds_a_seal_is_walked() -> None:
    sealing = {table.name for table in Base.metadata.tables.values() if "sealed" in table.c}
    assert sealing == {model.__tablename__ for model in sealed.SEALED} | {KeyCheck.__tablename__}


@pytest.mark.parametrize("model", sealed.SEALED, ids=lambda model: model.__tablename__)
def test_a_plain_row_tells_the_place_as_an_object_does(model: sealed.Sealed) -> None:
    """With these columns, all of them, and no other."""
    values = {name: f"the {name}" for name in model.BOUND_TO}
    assert model.place(SimpleNamespace(**values)) == model.place(model(**values))
    for name in values:
        assert model.place(SimpleNamespace(**{**values, name: "another"})) != model.place(model(**values))
