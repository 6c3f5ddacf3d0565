"""Latchkey in a host, in both ways, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.databases import PostgresqlDatabases, SqliteDatabases
from tests.support.hosts import WAYS, Hosted, Way, who
from tests.support.providers import Sandbox

Databases = SqliteDatabases | PostgresqlDatabases
StartHosted = Callable[..., Hosted]


@pytest.fixture(scope="package", params=WAYS, ids=lambda way: way.__name__)
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


@pytest.fixture(scope="package")
def service(way: Way, databases: Databases, sandbox: Sandbox) -> Iterator[Hosted]:
    """One with accounts of its own."""
    started = Hosted(way, databases, sandbox)
    yield started
    started.close()


@pytest.fixture(scope="package")
def guested(way: Way, databases: Databases, sandbox: Sandbox) -> Iterator[Hosted]:
    """One whose users are the host's."""
    started = Hosted(way, databases, sandbox, user_loader=who, PROVISION_USERS="true")
    yield started
    started.close()


@pytest.fixture
def start_hosted(way: Way, databases: Databases, sandbox: Sandbox) -> Iterator[StartHosted]:
    """Start hosts of the test's own: start_hosted(name="localhost")."""
    started: list[Hosted] = []

    def start_one(**kwargs: object) -> Hosted:
        started.append(Hosted(way, databases, sandbox, **kwargs))  # type: ignore[arg-type]
        return started[-1]

    yield start_one
    for one in started:
        one.close()
