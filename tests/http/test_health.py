"""/readyz: a node that can serve nothing is told apart from one that lacks a part, and neither waits long."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.redis import redis_url
from tests.support.service import Service, StartService, free_port

OK = (200, {"status": "ok"})


@pytest.fixture
def file_for_a_folder(tmp_path: Path) -> str:
    """A path that nothing can be kept in, not even by root."""
    (tmp_path / "file").touch()
    return str(tmp_path / "file" / "spool")


@pytest.fixture
def silent_redis() -> Iterator[str]:
    """The address of somebody who takes connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield f"redis://127.0.0.1:{listening.getsockname()[1]}/0"


def ready(service: Service) -> tuple[int, Any]:
    answer = service.call("GET", "/readyz")
    return answer.status_code, answer.json()


def degraded(part: str) -> tuple[int, Any]:
    return 200, {"status": "degraded", "part": part}


def test_a_node_with_all_its_parts_is_ready(start_service: StartService) -> None:
    with redis_url() as url:
        assert ready(start_service(REDIS_URL=url)) == OK


def test_without_redis_tokens_are_still_handed_out(
    start_service: StartService, silent_redis: str, file_for_a_folder: str
) -> None:
    for url in (f"redis://127.0.0.1:{free_port()}/0", silent_redis):
        service = start_service(REDIS_URL=url, SPOOL_DIR=file_for_a_folder)
        begun = time.monotonic()
        assert ready(service) == degraded("redis")
        assert time.monotonic() - begun < 2.5
        assert service.user().call("GET", "/api/connections").status_code == 200


def test_without_a_spool_tokens_are_still_handed_out(
    start_service: StartService, file_for_a_folder: str
) -> None:
    service = start_service(SPOOL_DIR=file_for_a_folder)
    assert ready(service) == degraded("spool")
    assert service.user().call("GET", "/api/connections").status_code == 200


def test_asking_leaves_nothing_in_the_spool(start_service: StartService, tmp_path: Path) -> None:
    service = start_service(SPOOL_DIR=str(tmp_path / "spool"))
    assert ready(service) == OK and list((tmp_path / "spool").iterdir()) == []


def test_a_database_that_is_away_comes_first(start_service: StartService, file_for_a_folder: str) -> None:
    service = start_service(
        database_url=f"postgresql://nobody@127.0.0.1:{free_port()}/none",
        REDIS_URL=f"redis://127.0.0.1:{free_port()}/0",
        SPOOL_DIR=file_for_a_folder,
    )
    assert ready(service) == (503, {"status": "unavailable", "part": "database"})
    assert service.call("GET", "/healthz").status_code == 200
