"""nginx with the shipped file, before nodes that are imitated or real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.deploy import nginx as program
from tests.deploy.nginx import Nginx
from tests.deploy.nodes import Node
from tests.deploy.site import URL, Site
from tests.support.databases import PostgresqlDatabases
from tests.support.providers import Sandbox
from tests.support.redis import redis_url
from tests.support.settings import base_settings

StartNginx = Callable[..., Nginx]
StartNode = Callable[..., Node]
StartSite = Callable[..., Site]


@pytest.fixture(scope="session")
def nginx_is_here() -> None:
    if program.PROGRAM is None:
        pytest.skip("nginx is not installed; as root: apt-get install nginx")


@pytest.fixture
def start_nginx(nginx_is_here: None, tmp_path: Path) -> Iterator[StartNginx]:
    """Start nginx of the test's own: start_nginx(port, port)."""
    started: list[Nginx] = []

    def start(*nodes: int, **more: object) -> Nginx:
        started.append(Nginx(tmp_path / f"nginx{len(started)}", nodes, **more))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def start_node() -> Iterator[StartNode]:
    """Start what stands in for a node: start_node(is_lost=True)."""
    started: list[Node] = []

    def start(*, is_lost: bool = False) -> Node:
        started.append(Node(is_lost=is_lost))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture(scope="session")
def redis() -> Iterator[str]:
    with redis_url() as url:
        yield url


@pytest.fixture(scope="session")
def environ(
    nginx_is_here: None, postgresql: PostgresqlDatabases, sandbox: Sandbox, redis: str
) -> dict[str, str]:
    """What all nodes are told alike."""
    return {
        **base_settings(),
        **sandbox.register(URL),
        "DATABASE_URL": postgresql.new(),
        "REDIS_URL": redis,
        "PUBLIC_URL": URL,
        "TRUSTED_PROXIES": "1",
    }


@pytest.fixture(scope="session")
def site(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Shared by all tests that leave it whole."""
    started = Site(tmp_path_factory.mktemp("site"), environ)
    yield started
    started.close()


@pytest.fixture
def own_site(environ: dict[str, str], tmp_path: Path) -> Iterator[Site]:
    """One that a test may break."""
    started = Site(tmp_path, environ)
    yield started
    started.close()
