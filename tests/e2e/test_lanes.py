"""A provider that hangs takes half of a process's threads at most: the others' users do not notice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.support.browser import Agent
from tests.support.processes import Gunicorn, gunicorn
from tests.support.providers import Fault, Sandbox
from tests.support.rows import expire_token
from tests.support.service import Service, User

THREADS = 4


@pytest.fixture
def server(service: Service) -> Iterator[Gunicorn]:
    """One gunicorn process of a few threads, on the database of the service."""
    with gunicorn(service.environ, "--threads", str(THREADS)) as started:
        started.wait_for_answer("/readyz")
        yield started


def ask(server: Gunicorn, user: User, path: str) -> tuple[int, float]:
    """Return the status, and the seconds that it took."""
    begun = time.monotonic()
    headers = {**user.headers, "Host": user.service.url.removeprefix("http://")}
    answer = requests.get(f"http://127.0.0.1:{server.port}{path}", headers=headers, timeout=30)
    return answer.status_code, time.monotonic() - begun


def test_the_others_go_on(service: Service, sandbox: Sandbox, server: Gunicorn, fault: Fault) -> None:
    users, agent = [service.user() for _ in range(3 * THREADS)], Agent(service)
    for user in users:
        assert agent.connect(user, "spotify").status_code == 200
        expire_token(service, sandbox, user, "spotify")
    other = service.user()
    assert agent.connect(other, "github").status_code == 200
    fault("spotify", "refresh", "hang", times=len(users))
    with ThreadPoolExecutor(len(users)) as crowd:
        hanging = [crowd.submit(ask, server, user, "/api/connections/spotify/token") for user in users]
        left = time.monotonic() + 8  # more than the patience of those without a lane, on a busy machine too
        while sum(not one.done() for one in hanging) > THREADS // 2 and time.monotonic() < left:
            time.sleep(0.1)
        seen = [ask(server, other, "/api/connections/github/token") for _ in range(5)]
        assert {status for status, _ in seen} == {200} and max(took for _, took in seen) < 1.5, seen
        assert sum(not one.done() for one in hanging) == THREADS // 2
        answers = [one.result() for one in hanging]
    assert {status for status, _ in answers} == {503} and max(took for _, took in answers) < 12.5
