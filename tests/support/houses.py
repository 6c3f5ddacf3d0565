"""A gunicorn with a connected user, and what is asked of it, in peace and while something fails."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import requests
from sqlalchemy import func, select

from app.extensions import db
from app.models import Connection
from app.providers import provider_named
from tests.support.browser import Agent
from tests.support.processes import Gunicorn, gunicorn
from tests.support.rows import actions_of, tokens_of
from tests.support.service import Service, User

HEALING = 10.0  # seconds after a fault, when everything must work again
PROVIDER = "github"

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Said:
    """An answer, and after how many seconds it came."""

    status: int
    code: str | None
    seconds: float
    answer: requests.Response


class House:
    """`service` is set up by, on a way to the database that nothing fails on; `server` is asked."""

    def __init__(self, service: Service, server: Gunicorn, user: User) -> None:
        self.service, self.server, self.user = service, server, user

    def call(
        self, method: str, path: str, *, user: User | None = None, **kwargs: object
    ) -> requests.Response:
        return requests.request(
            method,
            self.server.url + path,
            headers=(user or self.user).headers,
            timeout=30,
            allow_redirects=False,
            **kwargs,  # type: ignore[arg-type]
        )

    def stored(self) -> int:
        """Return how many connections the user has; each must stand in the audit, and none besides."""
        with self.service.app.app_context():
            mine = select(func.count()).select_from(Connection).where(Connection.user_id == self.user.id)
            count = db.session.scalar(mine) or 0
        assert actions_of(self.service, self.user).count("connection.add") == count
        return count

    def check_log(self) -> None:
        """No traceback, and none of the secrets that were in play."""
        log = self.server.log()
        assert "Traceback" not in log, log
        assert not [line for line in self.server.lines() if "exception" in line], log
        own = tokens_of(self.service, self.user, provider_named(PROVIDER))
        assert not any(secret in log for secret in (self.user.token, *own))


def _read(house: House) -> requests.Response:
    return house.call("GET", f"/api/users/{house.user.username}/get/connections")


def _write(house: House) -> requests.Response:
    body = {"name": f"n{next(_numbers)}", "type": "telegrams", "data": {"token": "made up"}}
    return house.call("POST", f"/api/users/{house.user.username}/add/connection", json=body)


def _token(house: House) -> requests.Response:
    return house.call("GET", f"/api/connections/{PROVIDER}/token")


def _start(house: House) -> requests.Response:
    return house.call("GET", f"/api/connections/{PROVIDER}")


QUESTIONS: Mapping[str, Callable[[House], requests.Response]] = {
    "read": _read,
    "write": _write,
    "token": _token,
    "start": _start,
    "healthz": lambda house: house.call("GET", "/healthz"),
    "readyz": lambda house: house.call("GET", "/readyz"),
}
WELL = {"read": 200, "write": 201, "token": 200, "start": 302, "healthz": 200, "readyz": 200}


def connected(service: Service, provider: str) -> User:
    """Return a new user who is connected to this provider."""
    user = service.user()
    answer = Agent(service).connect(user, provider)
    assert answer.status_code == 200, answer.text
    return user


def ask(house: House, name: str) -> Said:
    begun = time.monotonic()
    answer = QUESTIONS[name](house)
    code = answer.json().get("code") if answer.headers.get("Content-Type") == "application/json" else None
    return Said(answer.status_code, code, time.monotonic() - begun, answer)


def ask_all(house: House, names: Iterable[str] = tuple(QUESTIONS)) -> dict[str, Said]:
    """Ask all of this at once."""
    names = list(names)
    with ThreadPoolExecutor(len(names)) as threads:
        return dict(zip(names, threads.map(lambda name: ask(house, name), names), strict=True))


def heal(house: House) -> float:
    """Ask until everything works; return the seconds that it took."""
    begun = time.monotonic()
    while not all(one.status == WELL[name] for name, one in ask_all(house).items()):
        assert time.monotonic() - begun < HEALING, house.server.log()
        time.sleep(0.1)
    return time.monotonic() - begun


@contextmanager
def house_of(service: Service, *options: str, **settings: str) -> Iterator[House]:
    """Start a gunicorn with the settings of this service, but for these."""
    user = connected(service, PROVIDER)
    with gunicorn({**service.environ, **settings}, *options) as server:
        house = House(service, server, user)
        server.wait_for_answer("/readyz")
        heal(house)
        yield house
