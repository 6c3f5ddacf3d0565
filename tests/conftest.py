"""One of each real thing for the whole run: databases, the sandbox, a service on either database."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.services import passwords
from app.vault import Stretching, Vault
from app.waiting import waiting
from tests.support.browser import Agent
from tests.support.crowd import crowd
from tests.support.databases import PostgresqlDatabases, SqliteDatabases
from tests.support.passwords import CHEAP, COSTLY, cheaply_stretched
from tests.support.providers import Fault, Sandbox, Switched
from tests.support.service import Service, StartService, User, free_port

BACKENDS = ("sqlite", "postgresql")


def pytest_xdist_auto_num_workers() -> int:
    """Run more tests at once than there are cores: each waits now and then for a server or a process."""
    return (os.cpu_count() or 1) * 3 // 2


def pytest_collection_finish() -> None:
    """Leave thousands of tests out of every later collection of garbage, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Let users cost little to make, in this process. Others that the tests start hash as ever."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", CHEAP)
        yield


@pytest.fixture
def cheap_passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stretching, "new", cheaply_stretched)


@pytest.fixture
def costly_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_hasher", COSTLY)


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteDatabases]:
    folder: Path = tmp_path_factory.mktemp("sqlite")
    databases = SqliteDatabases(folder)
    yield databases
    databases.close()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlDatabases]:
    databases = PostgresqlDatabases()
    yield databases
    databases.close()


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    started = Sandbox.start()
    yield started
    started.stop()


@pytest.fixture(scope="session", params=BACKENDS)
def databases(request: pytest.FixtureRequest) -> SqliteDatabases | PostgresqlDatabases:
    """Run the test once on each kind of database."""
    found: SqliteDatabases | PostgresqlDatabases = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def service(databases: SqliteDatabases | PostgresqlDatabases, sandbox: Sandbox) -> Iterator[Service]:
    """A service with the settings most tests need, shared by all of them: each makes its own users."""
    started = start(databases.new(), sandbox)
    yield started
    started.close()


@pytest.fixture(scope="session")
def sqlite_service(sqlite: SqliteDatabases, sandbox: Sandbox) -> Iterator[Service]:
    """The same on one database: what it answers is the same on the other, as test_same_answers.py shows."""
    started = start(sqlite.new(), sandbox)
    yield started
    started.close()


@pytest.fixture(scope="module")
def crowded(databases: SqliteDatabases | PostgresqlDatabases, sandbox: Sandbox) -> Iterator[Service]:
    """A service with thousands of users and what is theirs."""
    service = start(databases.new(), sandbox)
    crowd(service)
    yield service
    service.close()


@pytest.fixture
def start_service(
    databases: SqliteDatabases | PostgresqlDatabases, sandbox: Sandbox
) -> Iterator[StartService]:
    """Start services of the test's own: start_service(STRICT_CONNECT="true")."""
    started: list[Service] = []

    def start_one(*, host: str = "127.0.0.1", database_url: str | None = None, **settings: str) -> Service:
        started.append(start(database_url or databases.new(), sandbox, host=host, **settings))
        return started[-1]

    yield start_one
    for one in started:
        one.close()


@pytest.fixture(params=[False, True], ids=["alone", "in company"])
def company(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the test once as if nobody else were served, and once as if others were, in the same breath.

    Then what an answer owes is stored after its view has returned, together with what others owe.
    """
    monkeypatch.setattr(waiting, "has_company", lambda: request.param)


@pytest.fixture
def switched(sandbox: Sandbox) -> Iterator[Switched]:
    """Change how a provider behaves for the length of a test: switched("spotify", dev_mode=True)."""
    before: list[tuple[str, dict[str, object]]] = []

    def switch(provider: str, **values: object) -> None:
        now = sandbox.control.switches(provider)
        before.append((provider, {name: now[name] for name in values}))
        sandbox.control.switch(provider, **values)

    yield switch
    for provider, values in reversed(before):
        sandbox.control.switch(provider, **values)


@pytest.fixture
def fault(sandbox: Sandbox) -> Iterator[Fault]:
    """Make a provider's endpoint fail for the length of a test: fault("github", "token", "hang")."""
    spoiled: set[str] = set()

    def spoil(provider: str, endpoint: str, kind: str, **parameters: object) -> None:
        spoiled.add(provider)
        sandbox.control.fault(provider, endpoint, kind, **parameters)

    yield spoil
    for provider in spoiled:
        sandbox.control.clear_faults(provider)


@pytest.fixture
def user(service: Service) -> User:
    return service.user()


@pytest.fixture
def agent(service: Service) -> Agent:
    return Agent(service)


@pytest.fixture
def browser(service: Service) -> Agent:
    return Agent(service, pages=True)


def start(database_url: str, sandbox: Sandbox, *, host: str = "127.0.0.1", **settings: str) -> Service:
    """Start a service on a free port. A setting of {url} is where it is reached."""
    port = free_port()
    url = f"http://{host}:{port}"
    own = {name: value.replace("{url}", url) for name, value in settings.items()}
    return Service(database_url, {**sandbox.register(url), **own}, host=host, port=port)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids of the rows that were opened, in their order."""
    seen: list[int] = []
    really = Vault.open

    def open(vault: Vault, envelope: bytes, *context: Any) -> bytes:
        seen.append(context[1])
        return really(vault, envelope, *context)

    monkeypatch.setattr(Vault, "open", open)
    return seen
