"""Processes end in the midst of work: what they took up is answered, or lost with them, and nothing else."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from urllib.parse import urlsplit

import psutil
import pytest
import requests

from tests.conftest import start
from tests.support.databases import PostgresqlDatabases
from tests.support.houses import connected
from tests.support.processes import Gunicorn, gunicorn
from tests.support.providers import Fault, Sandbox
from tests.support.rows import expire_token
from tests.support.service import Service, User

HELD = 4  # requests that wait for the provider: no more than one worker's lanes
READERS = 4
TAKEN_UP = 0.1  # seconds after which a worker has taken up a connection


@dataclass(frozen=True)
class Read:
    """One request of the load. `problem` is None where it was answered as ever."""

    begun: float
    problem: str | None


@pytest.fixture
def service(
    postgresql: PostgresqlDatabases, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    started = start(postgresql.new(), sandbox, SPOOL_DIR=str(tmp_path_factory.mktemp("spool")))
    yield started
    started.close()


def until(true: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def ask_for_token(server: Gunicorn, user: User) -> int:
    """Ask for a token that is due; return the answer's status, or 0 where none came."""
    try:
        return server.get("/api/connections/discord/token", headers=user.headers).status_code
    except requests.ConnectionError:
        return 0


@contextmanager
def held(service: Service, sandbox: Sandbox, server: Gunicorn, fault: Fault) -> Iterator[list[Future[int]]]:
    """Give requests that have come as far as the provider, and stay there."""
    users = [connected(service, "discord") for _ in range(HELD)]
    for user in users:
        expire_token(service, sandbox, user, "discord")
    fault("discord", "refresh", "hold", times=HELD)
    with ThreadPoolExecutor(HELD) as threads:
        asked = [threads.submit(ask_for_token, server, user) for user in users]
        until(lambda: sandbox.control.faults("discord")["held"] == HELD)
        try:
            yield asked
        finally:
            sandbox.control.release("discord")


@contextmanager
def load(server: Gunicorn, user: User) -> Iterator[list[Read]]:
    """Read without a pause, on a new connection each time, until the block ends."""
    reads: list[Read] = []
    over = Event()

    def go_on() -> None:
        while not over.is_set():
            begun, problem = time.monotonic(), None
            try:
                answer = server.get("/api/connections", headers=user.headers)
                problem = None if answer.status_code == 200 else answer.text
            except requests.RequestException as error:
                problem = str(error)
            reads.append(Read(begun, problem))

    with ThreadPoolExecutor(READERS) as threads:
        for _ in range(READERS):
            threads.submit(go_on)
        try:
            yield reads
        finally:
            over.set()


def workers(server: Gunicorn) -> list[psutil.Process]:
    return psutil.Process(server.process.pid).children()


def at_provider(worker: psutil.Process, sandbox: Sandbox) -> int:
    """Return how many of this worker's requests are at the provider."""
    port = urlsplit(sandbox.url).port
    return sum(
        bool(one.raddr) and one.raddr.port == port and one.status == psutil.CONN_ESTABLISHED
        for one in worker.net_connections("tcp")
    )


def test_what_was_accepted_is_answered_when_the_service_is_told_to_end(
    service: Service, sandbox: Sandbox, fault: Fault
) -> None:
    """A connection that no worker has taken up by then is refused, as any that comes later."""
    with gunicorn(service.environ, "--workers", "2") as server:
        server.wait_for_answer("/readyz")
        with held(service, sandbox, server, fault) as asked, load(server, service.user()) as reads:
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            told_at = time.monotonic()
            time.sleep(0.3)
            assert not any(one.done() for one in asked)
            sandbox.control.release("discord")
            assert [one.result() for one in asked] == [200] * HELD
        assert server.wait_for_end() == 0
    before = [read for read in reads if read.begun < told_at - TAKEN_UP]
    assert before and not [read for read in before if read.problem]


def test_a_worker_that_is_killed_takes_its_own_requests_along(
    service: Service, sandbox: Sandbox, fault: Fault
) -> None:
    with gunicorn(service.environ, "--workers", "2") as server:
        server.wait_for_answer("/readyz")
        first = workers(server)
        with held(service, sandbox, server, fault) as asked, load(server, service.user()) as reads:
            victim = max(first, key=lambda worker: at_provider(worker, sandbox))
            lost = at_provider(victim, sandbox)
            victim.kill()
            killed_at = time.monotonic()
            until(lambda: len(set(workers(server)) - set(first)) == 1)
        assert sorted(one.result() for one in asked) == [0] * lost + [200] * (HELD - lost)
    assert not [read for read in reads if read.problem and read.begun > killed_at]
    assert [read for read in reads if read.begun > killed_at]
