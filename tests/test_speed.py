"""The loads that speed is measured with: what is answered wrongly is told, and is no request that counts."""

from __future__ import annotations

import contextlib
import shutil
import socketserver
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from benchmarks.speed.load import GENERATORS, Expected, Generator, Measured
from benchmarks.speed.provider import StandIn
from tests.support.service import free_port
from tests.support.serving import Serving

NO_WRK = "left out: no wrk on this machine"
PARTS = [
    pytest.param(name, marks=pytest.mark.skipif(name == "wrk" and not shutil.which("wrk"), reason=NO_WRK))
    for name in GENERATORS
]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with contextlib.closing(StandIn()) as provider:
        yield urlsplit(provider.url).port or 0


def load(name: str, port: int, expected: Expected) -> Measured:
    requests = [f"GET /{n} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode() for n in range(3)]
    return Generator(name, seconds=1, connections=4).load(port, requests, expected)


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize(
    "expected", [Expected(200, '"login"'), Expected(200, "application/json", "Content-Type")]
)
def test_right_answers_count(name: str, port: int, expected: Expected) -> None:
    found = load(name, port, expected)
    assert (found.wrong, found.requests > 50) == (0, True)
    assert found.rate == found.requests / found.seconds
    assert 0 < found.p50 <= found.p99 < 1


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize(
    "expected", [Expected(201, '"login"'), Expected(200, '"nobody"'), Expected(200, '"login"', "Location")]
)
def test_an_answer_that_is_not_right_does_not_count(name: str, port: int, expected: Expected) -> None:
    found = load(name, port, expected)
    assert found.wrong >= found.requests > 50
    assert found.rate <= 0


@pytest.mark.parametrize("name", PARTS)
def test_a_server_that_breaks_off_is_not_taken_for_a_quick_one(name: str) -> None:
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler)
    with contextlib.closing(Serving(server)), pytest.raises(SystemExit, match="nothing was answered"):
        load(name, server.server_address[1], Expected(200, '"login"'))


@pytest.mark.parametrize("name", PARTS)
def test_a_server_that_refuses_is_not_taken_for_a_quick_one(name: str) -> None:
    with pytest.raises(SystemExit):
        load(name, free_port(), Expected(200, '"login"'))
