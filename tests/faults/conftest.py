"""A PostgreSQL of this folder's own, which may be frozen and stopped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.houses import House
from tests.support.outages import house_on_postgresql
from tests.support.providers import Sandbox
from tests.support.servers import FrailPostgresql


@pytest.fixture(scope="session")
def frail() -> Iterator[FrailPostgresql]:
    server = FrailPostgresql()
    yield server
    server.close()


@pytest.fixture(scope="session")
def frail_house(
    frail: FrailPostgresql, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    with house_on_postgresql(frail, sandbox, tmp_path_factory.mktemp("spool")) as house:
        yield house
