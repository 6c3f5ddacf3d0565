"""Redis fails in every way that it can: flows cannot begin, and nothing else takes notice."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import pytest

from tests.support.browser import Agent
from tests.support.databases import SqliteDatabases
from tests.support.houses import PROVIDER, House, ask, ask_all, heal
from tests.support.outages import house_with_redis, of_redis
from tests.support.providers import Sandbox
from tests.support.servers import FrailRedis

START = f"/api/connections/{PROVIDER}"
OUTAGES = ("refused", "silent", "cut", "frozen", "full", "read-only")
READABLE = ("full", "read-only")


@pytest.fixture(scope="module")
def redis() -> Iterator[FrailRedis]:
    server = FrailRedis()
    yield server
    server.close()


@pytest.fixture(scope="module")
def house(
    redis: FrailRedis, sqlite: SqliteDatabases, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    with house_with_redis(redis, sqlite, sandbox, tmp_path_factory.mktemp("spool")) as opened:
        yield opened


@pytest.fixture
def agent(house: House) -> Agent:
    """A browser of gunicorn's, whose user is not connected yet."""
    agent = Agent(house.service)
    agent.headers = house.service.user().headers
    return agent


def callback_of(house: House, agent: Agent) -> str:
    """Begin a flow, and return the callback that would end it."""
    begun = agent.call("GET", house.server.url + START)
    return agent.consent(begun.headers["Location"]).replace(house.service.url, house.server.url)


@pytest.mark.parametrize("kind", OUTAGES)
def test_flows_cannot_begin_and_nothing_else_takes_notice(
    redis: FrailRedis, house: House, agent: Agent, kind: str
) -> None:
    outage, callback, before = of_redis(redis)[kind], callback_of(house, agent), house.stored()
    with outage.begin(house):
        said = ask_all(house)
        began_at = time.monotonic()
        returned = agent.call("GET", callback)
        again = agent.call("GET", house.server.url + START)  # with the cookie of a session
        waited = time.monotonic() - began_at
    assert outage.problems(said.items()) == []
    assert returned.status_code == (200 if kind in READABLE else 503), returned.text
    assert again.status_code == 503 and waited < 2 * outage.longest
    assert heal(house) < 5
    assert house.stored() > before
    house.check_log()


def test_every_outage_is_tried(redis: FrailRedis) -> None:
    assert tuple(of_redis(redis)) == OUTAGES


@pytest.mark.parametrize("kind", ["frozen", "silent"])
def test_the_token_api_is_as_fast_as_before(redis: FrailRedis, house: House, kind: str) -> None:
    def usual() -> float:
        return statistics.median(ask(house, "token").seconds for _ in range(20))

    before = usual()
    with of_redis(redis)[kind].begin(house):
        ask(house, "token")  # who finds out that nothing is counted there any more waits for it
        during = usual()
    assert during < before + 0.1
    heal(house)


def test_a_flow_whose_session_is_gone_ends_cleanly(redis: FrailRedis, house: House, agent: Agent) -> None:
    callback = callback_of(house, agent)
    redis.client.flushall()
    ended = agent.call("GET", callback)
    assert (ended.status_code, ended.json()["code"]) == (400, "invalid_session")
    assert ask(house, "start").status == 302
