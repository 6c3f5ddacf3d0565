"""python -m benchmarks.speed.profile: whose code the CPU of a request goes to, in one thread.

Requests go through gunicorn's reading and writing of HTTP, on a pair of sockets, and are logged as ever.
Every few milliseconds of CPU it is looked where the thread is; what it does in Python's own library, or in C,
is its caller's. The CPU of PostgreSQL and of the provider, which the same cores have to give, is printed
beside it; so is what a request of bare Flask takes in the same way.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import runpy
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import cycle, islice, takewhile
from types import FrameType
from typing import Any

from gunicorn import http  # type: ignore[import-untyped]
from gunicorn.config import Config as Settings  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from gunicorn.http import wsgi  # type: ignore[import-untyped]

from app import create_app
from benchmarks.kills import DATABASES
from config import Config
from tests.support.databases import ROOT

from . import bare_app, houses, options
from .bench import STARTED
from .machine import Machine
from .operations import BARE, OPERATIONS, Operation
from .population import Population
from .provider import StandIn

EVERY = 0.001  # seconds of CPU from one look to the next; most kernels take four times as many
WARM = 300  # requests, before the first look
ROOM = 1 << 20  # bytes that a socket takes before anybody reads
ADDRESS = ("127.0.0.1", 8080)
URL = f"http://{ADDRESS[0]}:{ADDRESS[1]}"
LEAST = 0.01  # of the whole: what is less is not printed
OURS, OTHERS = f"{ROOT}{os.sep}", f"{os.sep}site-packages{os.sep}"
MEASURING = "benchmarks"


@dataclass(frozen=True, slots=True)
class Taken:
    """Microseconds of CPU that a request takes: in this thread, in PostgreSQL, and of the provider."""

    own: float
    database: float
    provider: float

    def __str__(self) -> str:
        beside = f"{self.database:.0f} of PostgreSQL's, {self.provider:.0f} of the provider's"
        return f"{self.own:.0f} us of CPU a request, {beside}"


class House:
    """An application as a worker of gunicorn has it, without the worker. `logs`: by Latchkey's logger."""

    def __init__(self, app: Any, *, logs: bool = True) -> None:
        house = runpy.run_path(str(ROOT / "gunicorn.conf.py"))
        self._settings = Settings()
        self._settings.set("keepalive", house["keepalive"])
        house["keep_at_hand"](self._settings)
        self._log = (house["JsonLog"] if logs else Logger)(self._settings)
        self._app = app
        self._client, self._server = socket.socketpair()
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
        self._requests = http.get_parser(self._settings, self._server, ADDRESS)

    def answer(self, raw: bytes, status: int) -> None:
        self._client.send(raw)
        request, began = next(self._requests), datetime.now()
        response, environ = wsgi.create(request, self._server, ADDRESS, ADDRESS, self._settings)
        body = self._app(environ, response.start_response)
        for part in body:
            response.write(part)
        response.close()
        self._log.access(response, request, environ, datetime.now() - began)
        if hasattr(body, "close"):
            body.close()
        self._requests.finish_body(deadline=time.monotonic() + 1)
        if not self._client.recv(ROOM).startswith(b"HTTP/1.1 %d " % status):
            raise SystemExit("a wrong answer")

    def close(self) -> None:
        self._client.close()
        self._server.close()


@contextlib.contextmanager
def looking() -> Iterator[Counter[str]]:
    """Count at whose code each look found this thread."""
    found = Counter[str]()

    def look(_: int, frame: FrameType | None) -> None:
        found[owner_of(frame)] += 1

    before = signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    try:
        yield found
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def owner_of(frame: FrameType | None) -> str:
    """Return whose code it is in: a package of others, a room of ours, or a file beside the rooms."""
    while frame is not None:
        path = frame.f_code.co_filename
        if OTHERS in path:
            return path.rpartition(OTHERS)[2].split(os.sep)[0]
        if path.startswith(OURS):
            parts = path.removeprefix(OURS).split(os.sep)
            return MEASURING if parts[0] == MEASURING else "/".join(parts[:2])
        frame = frame.f_back
    return "python"


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Let the log be written, to nowhere."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        yield


def measure(
    house: House, operation: Operation, population: Population, seconds: float, beside: Beside
) -> tuple[Taken, Counter[str]]:
    """Return what a request takes, and whose code each look found."""
    requests = [ask.to_bytes(ADDRESS[1]) for ask in operation.asks(population, 4 * WARM, URL)]
    turns = iter(requests) if operation.once else cycle(requests)
    status = operation.expected.status
    for raw in islice(turns, WARM):
        house.answer(raw, status)
    beside.begin()
    count, began = 0, time.process_time()
    with looking() as found:
        for raw in takewhile(lambda _: time.process_time() < began + seconds, turns):
            house.answer(raw, status)
            count += 1
    seconds_taken = time.process_time() - began, *beside.end()
    del found[MEASURING]
    return Taken(*(each / count * 1e6 for each in seconds_taken)), found


class Beside:
    """What other processes have used since it began."""

    def __init__(self, provider: StandIn, machine: Machine) -> None:
        self._provider, self._machine = provider, machine

    def begin(self) -> None:
        self._before, self._watch = self._provider.cpu(), self._machine.watch()

    def end(self) -> tuple[float, float]:
        """Return the seconds of CPU of PostgreSQL and of the provider."""
        self._watch.end()
        return self._watch.database, self._provider.cpu() - self._before


def told(name: str, database: str, taken: Taken, found: Counter[str]) -> str:
    whole = found.total()
    lines = [f"\n{name}, {database}: {taken}; of {whole} looks"]
    shares = [(number / whole, part) for part, number in found.most_common()]
    return "\n".join(lines + [f"  {share:5.0%}  {part}" for share, part in shares if share >= LEAST])


def arguments() -> argparse.Namespace:
    made = options.with_database(argparse.ArgumentParser(description=__doc__.splitlines()[0]))
    made.add_argument("--only", choices=[each.name for each in OPERATIONS], action="append")
    made.add_argument("--seconds", type=float, default=5, help="of CPU, for each operation")
    made.add_argument("--users", type=int, default=300, help="with ten connections each")
    return made.parse_args()


def profile(database: str, chosen: Sequence[Operation], given: argparse.Namespace) -> None:
    with contextlib.ExitStack() as stack:
        provider = stack.enter_context(contextlib.closing(StandIn()))
        url = stack.enter_context(DATABASES[database]())
        spool = stack.enter_context(tempfile.TemporaryDirectory(prefix="latchkey-spool-"))
        environ = houses.settings(url, spool, audit_sync=database == "postgresql")
        environ |= provider.settings(STARTED) | {"PUBLIC_URL": URL}
        population = stack.enter_context(contextlib.closing(Population(environ, given.users)))
        beside = Beside(provider, stack.enter_context(contextlib.closing(Machine(url))))
        with contextlib.closing(House(bare_app.app, logs=False)) as bare:
            taken, _ = measure(bare, BARE, population, given.seconds, beside)
            print(f"\nbare Flask: {taken}", flush=True)
        house = stack.enter_context(contextlib.closing(House(create_app(Config.from_env(environ)))))
        for operation in chosen:
            found = measure(house, operation, population, given.seconds, beside)
            print(told(operation.name, database, *found), flush=True)


def main() -> int:
    given = arguments()
    chosen = [each for each in OPERATIONS if each.name in (given.only or [each.name])]
    with quietly():
        for database in options.databases(given):
            profile(database, chosen, given)
    return 0


if __name__ == "__main__":
    sys.exit(main())
