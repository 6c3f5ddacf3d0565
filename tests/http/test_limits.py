"""Limits: who asks too often is told when to come back, and nobody else notices."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from redis import Redis

from tests.support.accounts import fresh
from tests.support.browser import Agent
from tests.support.redis import redis_url
from tests.support.service import PASSWORD, Service, StartService, User, free_port
from tests.support.service_keys import make_key

ON = {"RATELIMIT_ENABLED": "true", "RATELIMIT_REGISTER": "1000/minute"}
SSH = {"name": "n", "type": "custom", "data": {"k": "v"}}
READ = "/api/users/:username/connection/gettokens"

Ask = Callable[[], requests.Response]


@pytest.fixture
def redis() -> Iterator[str]:
    with redis_url() as url:
        yield url


def passes(ask: Ask, count: int) -> None:
    """Exactly so many pass; the next is told how long to wait. Where a minute turns, one more may pass."""
    left = 60 - time.time() % 60
    time.sleep(left if left < 3 else 0)
    answers = [ask() for _ in range(count + 2)]
    assert [answer.status_code == 429 for answer in answers] == [False] * count + [True] * 2
    refused(answers[-1])


def refused(answer: requests.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")
    assert 1 <= int(answer.headers["Retry-After"]) <= 3600


def login(service: Service, address: str | None = None) -> requests.Response:
    headers = {} if address is None else {"X-Forwarded-For": address}
    body = {"username": fresh(), "password": PASSWORD}
    return service.call("POST", "/api/auth/login", json=body, headers=headers)


@pytest.mark.parametrize(
    ("word", "asked"),
    [
        ("LOGIN", lambda user: login(user.service)),
        ("LOGIN", lambda user: user.service.call("POST", "/api/auth/refresh", headers=user.headers)),
        ("START", lambda user: user.call("GET", "/api/connections/github")),
        ("START", lambda user: user.call("POST", "/api/connections/spotify/authorize")),
        ("START", lambda user: user.call("GET", "/api/user/connection/access/github")),
        (
            "CALLBACK",
            lambda user: user.service.call("GET", "/api/connections/github/callback?code=c&state=s"),
        ),
        ("CALLBACK", lambda user: user.service.call("GET", "/callback?code=c&state=s")),
        ("SECRETS", lambda user: user.call("GET", READ)),
        ("SECRETS", lambda user: user.call("GET", "/api/users/:username/get/connection/1")),
        ("SECRETS", lambda user: user.call("GET", "/api/connections/github/token")),
        ("DEFAULT", lambda user: user.call("GET", "/api/connections")),
        ("DEFAULT", lambda user: user.call("POST", "/api/users/:username/add/connection", json=SSH)),
        ("DEFAULT", lambda user: user.service.call("GET", "/")),
        ("DEFAULT", lambda user: user.service.call("GET", "/nowhere")),
        ("DEFAULT", lambda user: user.service.call("GET", "/api/connections")),
        ("DEFAULT", lambda user: user.service.call("GET", "/api/auth/me", headers={"Authorization": "x"})),
    ],
)
def test_each_limit(
    start_service: StartService, word: str, asked: Callable[[User], requests.Response]
) -> None:
    service = start_service(**ON, **{f"RATELIMIT_{word}": "3/minute"})
    user = service.user()
    passes(lambda: asked(user), 3)
    assert service.call("GET", "/healthz").status_code == 200


def test_registering_is_limited(start_service: StartService) -> None:
    service = start_service(RATELIMIT_ENABLED="true")
    names = iter(range(100))

    def register() -> requests.Response:
        body = {"username": f"r{next(names)}", "email": f"{fresh()}@example.com", "password": PASSWORD}
        return service.call("POST", "/api/auth/register", json=body)

    passes(register, 5)


def test_users_have_limits_of_their_own(start_service: StartService) -> None:
    service = start_service(**ON, RATELIMIT_SECRETS="2/minute")
    first, second = service.user(), service.user()
    passes(lambda: first.call("GET", READ), 2)
    assert second.call("GET", READ).status_code == 200
    assert first.call("GET", "/api/connections").status_code == 200, "only the reading of secrets is over"


def test_a_service_key_has_a_limit_of_its_own(start_service: StartService) -> None:
    service = start_service(**ON, RATELIMIT_SERVICE_KEY="4/minute", RATELIMIT_SECRETS="1/minute")
    user, key, other = service.user(), make_key(service), make_key(service)
    passes(lambda: key.call("GET", READ, user), 4)
    assert other.call("GET", READ, user).status_code == 200
    assert user.call("GET", READ).status_code == 200, "the user's own limit was not touched"


def test_the_address_is_the_real_one(start_service: StartService) -> None:
    service = start_service(**ON, RATELIMIT_LOGIN="2/minute", TRUSTED_PROXIES="1")
    passes(lambda: login(service, f"198.51.100.{time.monotonic_ns() % 250}, 203.0.113.7"), 2)
    assert login(service, "203.0.113.7, 203.0.113.8").status_code == 401
    passes(lambda: login(service, f"2001:db8:1:2::{time.monotonic_ns() % 9999}"), 2)
    assert login(service, "2001:db8:1:3::1").status_code == 401
    passes(lambda: login(service, "::ffff:203.0.113.9"), 2)
    refused(login(service, "203.0.113.9"))


def test_a_forwarded_address_is_not_believed_without_a_proxy(start_service: StartService) -> None:
    service = start_service(**ON, RATELIMIT_LOGIN="2/minute")
    passes(lambda: login(service, f"198.51.100.{time.monotonic_ns() % 250}"), 2)


def test_a_limit_ends(start_service: StartService) -> None:
    user = start_service(**ON, RATELIMIT_SECRETS="2/second;1000/hour").user()
    while (refusal := user.call("GET", READ)).status_code != 429:
        pass
    time.sleep(int(refusal.headers["Retry-After"]))
    assert user.call("GET", READ).status_code == 200


def test_many_at_once_are_counted(start_service: StartService) -> None:
    service = start_service(**ON, RATELIMIT_SECRETS="5/minute")
    user = service.user()
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: user.call("GET", READ).status_code, range(20)))
    unserved = answers.count(503)  # where the machine is too busy for so many at once
    assert 0 < answers.count(200) <= 5 and answers.count(429) >= 15 - unserved
    assert set(answers) <= {200, 429, 503}


def test_a_callback_that_is_refused_keeps_its_flow(start_service: StartService) -> None:
    service = start_service(**ON, RATELIMIT_CALLBACK="2/second")
    user, agent = service.user(), Agent(service)
    back = agent.consent(agent.start(user, "github"))
    while service.call("GET", "/callback?code=c&state=s").status_code != 429:
        pass
    answer = agent.call("GET", back)
    while answer.status_code == 429:
        time.sleep(int(answer.headers["Retry-After"]))
        answer = agent.call("GET", back)
    assert answer.status_code == 200, answer.text


def test_limits_can_be_switched_off(start_service: StartService) -> None:
    service = start_service(RATELIMIT_ENABLED="false", RATELIMIT_LOGIN="1/hour")
    assert {login(service).status_code for _ in range(3)} == {401}


def test_processes_share_their_counts_in_redis(start_service: StartService, redis: str) -> None:
    settings = {**ON, "RATELIMIT_LOGIN": "4/minute", "REDIS_URL": redis}
    one, two = start_service(**settings), start_service(**settings)
    asked = [login(service).status_code for service in (one, two) * 3]
    assert asked == [401] * 4 + [429] * 2
    with Redis.from_url(redis) as client:
        lives = [client.ttl(key) for key in client.scan_iter("limit:*")]
    assert lives and all(0 < life <= 7200 for life in lives)


def test_without_redis_each_process_counts(start_service: StartService) -> None:
    away = f"redis://127.0.0.1:{free_port()}/0"
    service = start_service(**ON, RATELIMIT_LOGIN="3/minute", RATELIMIT_SECRETS="3/minute", REDIS_URL=away)
    user = service.user()
    passes(lambda: login(service), 3)
    passes(lambda: user.call("GET", READ), 3)
