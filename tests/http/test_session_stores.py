"""The stores of sessions: nothing planted in one is run, and the API never waits for one."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from redis import Redis
from sqlalchemy import insert, text

from app.extensions import db
from app.models import BrowserSession, now
from tests.support.browser import Agent
from tests.support.redis import redis_url
from tests.support.service import Service, StartService, User, free_port
from tests.support.sessions import START, cookie_of, kept, start, store_id

API = (
    ("GET", "/api/auth/me"),
    ("GET", "/api/connections"),
    ("GET", "/api/users/:username/get/connections"),
    ("GET", "/api/users/:username/connection/gettokens"),
    ("DELETE", "/api/connections/reset"),
)


@pytest.fixture
def redis() -> Iterator[str]:
    with redis_url() as url:
        yield url


def check_api(user: User, sid: str) -> None:
    """Every API route answers as ever, and as fast, whatever session cookie comes with it."""
    for method, path in API:
        begun = time.monotonic()
        answer = user.call(method, path, cookies={"latchkey": sid})
        assert answer.status_code == 200 and "Set-Cookie" not in answer.headers
        assert time.monotonic() - begun < 1


def check_start_fails(user: User, **kwargs: object) -> None:
    begun = time.monotonic()
    answer = start(user, **kwargs)
    assert time.monotonic() - begun < 3
    assert (answer.status_code, answer.json()["code"]) == (503, "sessions_unavailable")
    assert answer.headers["Retry-After"] and "Location" not in answer.headers


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.path,)  # type: ignore[return-value]


@pytest.mark.parametrize("kind", ["pickle", "list", "text", "garbage", "nothing"])
def test_what_is_planted_in_the_store_is_no_session(
    service: Service, user: User, tmp_path: Path, kind: str
) -> None:
    planted = {
        "pickle": pickle.dumps(Bomb(tmp_path / "executed")),
        "list": msgspec.msgpack.encode(["browser"]),
        "text": msgspec.msgpack.encode("browser"),
        "garbage": b"\xc1\xff",
        "nothing": b"",
    }[kind]
    sid = f"planted-{kind}-{user.username}"
    with service.app.app_context():
        db.session.execute(
            insert(BrowserSession).values(
                id=store_id(sid), data=planted, expires_at=now() + timedelta(hours=1)
            )
        )
        db.session.commit()
    answer = start(user, cookies={"latchkey": sid})
    assert answer.status_code == 302 and cookie_of(answer)[1] != sid
    assert not (tmp_path / "executed").exists()


def test_a_broken_store_stops_flows_and_nothing_else(start_service: StartService) -> None:
    service = start_service()
    user = service.user()
    begun = start(user)
    _, sid, _ = cookie_of(begun)
    (state,) = parse_qs(urlsplit(begun.headers["Location"]).query)["state"]
    with service.app.app_context():
        db.session.execute(text("ALTER TABLE sessions RENAME TO sessions_away"))
        db.session.commit()
    check_api(user, sid)
    check_start_fails(user)
    check_start_fails(user, cookies={"latchkey": sid})
    answer = service.call("GET", f"{START}/callback?code=c&state={state}", cookies={"latchkey": sid})
    assert (answer.status_code, answer.json()["code"]) == (503, "sessions_unavailable")
    with service.app.app_context():
        db.session.execute(text("ALTER TABLE sessions_away RENAME TO sessions"))
        db.session.commit()
    assert start(user, cookies={"latchkey": sid}).status_code == 302


def test_a_flow_finishes_with_sessions_in_redis(start_service: StartService, redis: str) -> None:
    service = start_service(REDIS_URL=redis)
    user, agent = service.user(), Agent(service)
    assert agent.connect(user, "github").status_code == 200
    sid = agent.session.cookies["latchkey"]
    client = Redis.from_url(redis)
    data, life = client.get(f"session:{store_id(sid)}"), client.ttl(f"session:{store_id(sid)}")
    assert set(msgspec.msgpack.decode(data)) == {"browser"} and 0 < life <= 24 * 3600
    assert not [key for key in client.scan_iter() if sid.encode() in key]
    assert kept(service, sid) is None
    client.close()


def test_a_pickle_in_redis_is_not_executed(start_service: StartService, redis: str, tmp_path: Path) -> None:
    user = start_service(REDIS_URL=redis).user()
    client = Redis.from_url(redis)
    client.set(f"session:{store_id('planted')}", pickle.dumps(Bomb(tmp_path / "executed")), ex=60)
    client.close()
    answer = start(user, cookies={"latchkey": "planted"})
    assert answer.status_code == 302 and cookie_of(answer)[1] != "planted"
    assert not (tmp_path / "executed").exists()


def test_a_redis_that_refuses_stops_flows_and_nothing_else(start_service: StartService) -> None:
    user = start_service(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0").user()
    check_api(user, "x" * 43)
    check_start_fails(user)
    check_start_fails(user, cookies={"latchkey": "x" * 43})
