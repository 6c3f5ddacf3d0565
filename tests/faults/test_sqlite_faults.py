"""SQLite's file is locked, moved, full or read-only: a clear answer in time, and it ends by itself."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from app.extensions import db
from tests.support.databases import SqliteDatabases
from tests.support.disks import Volume, mounted
from tests.support.houses import PROVIDER, House, ask, ask_all, connected, heal, house_of
from tests.support.outages import OF_SQLITE, QUEUED, WRITES, Outage, house_on_sqlite, serving_in
from tests.support.processes import gunicorn
from tests.support.providers import Sandbox
from tests.support.rows import expire_token


@pytest.fixture(scope="module")
def house(
    sqlite: SqliteDatabases, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    with house_on_sqlite(sqlite.template, sandbox, tmp_path_factory.mktemp("volume")) as opened:
        yield opened


@pytest.fixture
def volume(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Volume]:
    with mounted(tmp_path_factory.mktemp("mounted")) as found:
        if found is None:
            pytest.skip("a disk that fills up needs the right to mount one")
        yield found


@pytest.mark.parametrize("kind", OF_SQLITE)
def test_an_outage_is_said_in_time_and_ends_by_itself(house: House, kind: str) -> None:
    outage, before = OF_SQLITE[kind], house.stored()
    with outage.begin(house):
        said = ask_all(house)
    assert outage.problems(said.items()) == []
    assert heal(house) < 5
    assert house.stored() > before
    house.check_log()


def test_a_lock_does_not_make_a_queue(house: House) -> None:
    """Three times as many requests as there are threads, and nobody waits for another's deadline."""
    outage, names = replace(OF_SQLITE["locked"], longest=QUEUED), ["write", "token"] * 12
    with outage.begin(house), ThreadPoolExecutor(len(names)) as threads:
        said = list(threads.map(lambda name: ask(house, name), names))
    assert outage.problems(zip(names, said, strict=True)) == []
    heal(house)


def test_a_full_disk_stores_no_half_and_loses_no_token(
    sqlite: SqliteDatabases, sandbox: Sandbox, volume: Volume
) -> None:
    """Database and spool lie on it: no token is renewed while its successor has no place."""
    outage = Outage(lambda _: volume.full(), WRITES)
    with serving_in(volume.folder, sqlite.template, sandbox) as service, house_of(service) as house:
        user = connected(service, "discord")
        expire_token(service, sandbox, user, "discord")
        calls, path, before = sandbox.calls(), "/api/connections/discord/token", house.stored()
        with outage.begin(house):
            said = ask_all(house)
            assert house.call("GET", path, user=user).status_code == 503
        assert outage.problems(said.items()) == []
        assert calls.of("discord", "refresh") == 0
        assert heal(house) < 5
        assert house.stored() > before
        token = house.call("GET", path, user=user).json()["access_token"]
        assert sandbox.control.token_state("discord", token) == "live"
        house.check_log()


def test_a_read_only_disk_is_said_and_left_behind(
    sqlite: SqliteDatabases, sandbox: Sandbox, volume: Volume
) -> None:
    """Connections that were opened while nothing could be written are given up when it can be."""
    outage = Outage(lambda _: volume.full(), (*WRITES, "readyz"))
    with serving_in(volume.folder, sqlite.template, sandbox) as service:
        user = connected(service, PROVIDER)
        with service.app.app_context():
            db.engine.dispose()
        volume.remount("ro")
        with gunicorn(service.environ) as server:
            server.wait_for_answer()
            house = House(service, server, user)
            assert outage.problems(ask_all(house).items()) == []
            volume.remount("rw")
            assert heal(house) < 5
            house.check_log()
