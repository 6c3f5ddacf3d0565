"""python -m benchmarks.kills: processes killed while they renew a token, and how long readers miss it.

Each kill is of another user's request. From the kill on a reader asks a running gunicorn for that user's
token, and half a second after each "not yet" again. Nobody helps: a lease that was left behind runs out in
its own time.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import requests

from tests.conftest import start
from tests.support.browser import Agent
from tests.support.databases import PostgresqlDatabases, SqliteDatabases
from tests.support.killing import Killer, Point
from tests.support.processes import gunicorn
from tests.support.providers import Sandbox
from tests.support.rows import actions_of, expire_token
from tests.support.service import Service, User

AT_ONCE = 17  # kills at each point before their recovery is waited for: each keeps a thread of gunicorn's
PAUSE = 0.5  # seconds between an answer of 503 and the next request
PATIENCE = 90  # seconds after a kill, when it counts as silence
SAFE = {Point.LEASE_TAKEN, Point.SPOOLED, Point.COMMITTED}  # where no provider may lose the connection
PROVIDERS = ("discord", "spotify")  # the first one's refresh tokens work once, the other's stay
STAYING = "spotify"


class End(Enum):
    WORKING = "working"
    RECONNECT = "reconnect_required, and the audit says so"
    SILENCE = "silence"


@dataclass(frozen=True)
class House:
    """The service behind two doors: one to set up by, and the gunicorn that readers ask."""

    service: Service
    sandbox: Sandbox
    killer: Killer
    url: str


@dataclass(frozen=True)
class Victim:
    user: User
    provider: str
    point: Point


@dataclass(frozen=True)
class Recovery:
    victim: Victim
    end: End
    seconds: float


def main() -> None:
    arguments = argparse.ArgumentParser(description="Kill renewals, and watch readers recover.")
    arguments.add_argument("--times", type=int, default=50, help="kills at each point on each database")
    times = arguments.parse_args().times
    print(f"{'database':11} {'killed at':13} kills working reconnect silence    p50     max")
    with sandbox() as providers, Killer() as killer:
        fine = [_measure(name, make, providers, killer, times) for name, make in DATABASES.items()]
    sys.exit(0 if all(fine) else 1)


def _measure(name: str, make: Databases, providers: Sandbox, killer: Killer, times: int) -> bool:
    """Print the rows of one database; tell whether they are as they must be."""
    found: list[Recovery] = []
    with make() as url, house(url, providers, killer) as opened:
        for done in range(0, times, AT_ONCE):
            found += batch(opened, range(done, min(done + AT_ONCE, times)))
    for point in Point:
        print(row(name, point, [one for one in found if one.victim.point is point]), flush=True)
    return all(one.end in allowed(one.victim) for one in found)


def allowed(victim: Victim) -> set[End]:
    if victim.point in SAFE or victim.provider == STAYING:
        return {End.WORKING}
    return {End.WORKING, End.RECONNECT}


def row(name: str, point: Point, found: list[Recovery]) -> str:
    counts = {end: sum(one.end is end for one in found) for end in End}
    took = [one.seconds for one in found]
    return (
        f"{name:11} {point:13} {len(found):5} {counts[End.WORKING]:7} {counts[End.RECONNECT]:9}"
        f" {counts[End.SILENCE]:7} {statistics.median(took):5.1f} s {max(took):5.1f} s"
    )


def batch(opened: House, numbers: range) -> list[Recovery]:
    """Kill at every point for each of these numbers, and wait until all readers have got an answer."""
    victims = [connected(opened, PROVIDERS[n % 2], point) for n in numbers for point in Point]
    with ThreadPoolExecutor(len(victims)) as readers:
        reading = []
        for victim in victims:
            opened.killer.kill(opened.service, victim.user, victim.provider, victim.point)
            reading.append(readers.submit(recovery, opened, victim, time.monotonic()))
        return [one.result() for one in reading]


def connected(opened: House, provider: str, point: Point) -> Victim:
    """Connect a user of its own, whose token has expired."""
    user = opened.service.user()
    answer = Agent(opened.service).connect(user, provider)
    if answer.status_code != 200:
        raise SystemExit(f"{provider} could not be connected: {answer.text}")
    expire_token(opened.service, opened.sandbox, user, provider)
    return Victim(user, provider, point)


def recovery(opened: House, victim: Victim, killed_at: float) -> Recovery:
    """Ask until there is an answer other than 503."""
    while (seconds := time.monotonic() - killed_at) < PATIENCE:
        answer = requests.get(
            f"{opened.url}/api/connections/{victim.provider}/token", headers=victim.user.headers, timeout=30
        )
        if answer.status_code != 503:
            return Recovery(victim, judged(opened, victim, answer), time.monotonic() - killed_at)
        time.sleep(PAUSE)
    return Recovery(victim, End.SILENCE, seconds)


def judged(opened: House, victim: Victim, answer: requests.Response) -> End:
    """Believe no answer: a token must work at its provider, an end must stand in the audit."""
    body, status, state = answer.json(), answer.status_code, "none"
    if status == 200:
        state = opened.sandbox.control.token_state(victim.provider, body["access_token"])
    if state == "live":
        return End.WORKING
    told = status == 409 and body["code"] == "reconnect_required"
    if told and "grant.end" in actions_of(opened.service, victim.user):
        return End.RECONNECT
    print(f"{victim.point}, {victim.provider}: {status} {body.get('code')}, token {state}", file=sys.stderr)
    return End.SILENCE


@contextlib.contextmanager
def sandbox() -> Iterator[Sandbox]:
    started = Sandbox.start()
    try:
        started.control.switch("discord", strict_reuse=True)
        started.control.switch("spotify", refresh_token_on_refresh="omit")
        yield started
    finally:
        started.stop()


@contextlib.contextmanager
def house(database_url: str, providers: Sandbox, killer: Killer) -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="latchkey-spool-") as spool:
        service = start(database_url, providers, SPOOL_DIR=spool)
        threads = {"GUNICORN_CMD_ARGS": f"--threads {AT_ONCE * len(Point) + 4}"}
        try:
            with gunicorn(service.environ | threads) as server:
                server.wait_for_answer("/readyz")
                yield House(service, providers, killer, server.url)
        finally:
            service.close()


@contextlib.contextmanager
def sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="latchkey-kills-") as folder:
        databases = SqliteDatabases(Path(folder))
        try:
            yield databases.new()
        finally:
            databases.close()


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    databases = PostgresqlDatabases()
    try:
        yield databases.new()
    finally:
        databases.close()


Databases = Callable[[], contextlib.AbstractContextManager[str]]
DATABASES: dict[str, Databases] = {"sqlite": sqlite, "postgresql": postgresql}

if __name__ == "__main__":
    main()
