"""Token requests in processes of their own, each killed at one named point of the refresh protocol.

`python -m tests.support.killing` is the launcher: it has the application imported and nothing else begun, no
thread and no connection, so that a fork of it costs milliseconds. It reads orders and writes how their
processes ended, as lines of JSON.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from enum import StrEnum
from types import TracebackType
from typing import Any, NoReturn

from flask import Flask

from app import create_app
from app.oauth import http1
from app.providers import service_named
from app.services import leases, spooled, tokens
from app.services.standing import Caller
from app.spool import Entry
from config import Config
from tests.support.databases import ROOT
from tests.support.service import Service, User

LONGEST = 30  # seconds until a process that does not come to its point is ended


class Point(StrEnum):
    """Where a process is killed."""

    LEASE_TAKEN = "lease taken"  # committed; no attempt is recorded
    REQUEST_SENT = "request sent"  # the provider has done its work and begun to answer
    ANSWER_READ = "answer read"  # in memory, and nowhere else
    SPOOLED = "spooled"  # on disk; the database does not know
    COMMITTED = "committed"  # in the database; still on disk too


# The one function that is replaced, and whether the real one is called first.
_PLACES: Mapping[Point, tuple[Any, str, bool]] = {
    Point.LEASE_TAKEN: (leases, "take", True),
    Point.REQUEST_SENT: (http1, "_decoded", False),
    Point.ANSWER_READ: (spooled, "put", False),
    Point.SPOOLED: (spooled, "put", True),
    Point.COMMITTED: (Entry, "drop", False),
}


class NotKilled(Exception):
    """A process ended otherwise than by the kill at its point."""


class Killer:
    """A launcher, and orders to it. One order at a time."""

    def __init__(self) -> None:
        self._launcher = subprocess.Popen(
            [sys.executable, "-m", "tests.support.killing"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Killer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def kill(self, service: Service, user: User, name: str, point: Point) -> None:
        """Ask for the user's token of the service called `name`, and be killed. Raises NotKilled."""
        assert self._launcher.stdin is not None and self._launcher.stdout is not None
        caller = asdict(Caller(user.id, user.id, user.username, user.username.casefold()))
        order = {"environ": service.environ, "caller": caller, "service": name, "point": point}
        self._launcher.stdin.write(json.dumps(order) + "\n")
        self._launcher.stdin.flush()
        end = json.loads(self._launcher.stdout.readline() or "{}")
        if end != {"reached": point, "signal": signal.SIGKILL}:
            raise NotKilled(f"{point}: {end or 'the launcher has ended'}")

    def close(self) -> None:
        self._launcher.communicate(timeout=2 * LONGEST)


def _launch() -> None:
    for line in sys.stdin:
        end = _end_of(json.loads(line))
        sys.stdout.write(json.dumps(end) + "\n")
        sys.stdout.flush()


def _end_of(order: Mapping[str, Any]) -> dict[str, object]:
    """Run an order in a fork; return which point it reached, and by which signal it ended, if by one."""
    app = _app(json.dumps(order["environ"], sort_keys=True))
    assert threading.active_count() == 1, "a fork takes one thread along, and the locks of the others"
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _obey(app, order, writing)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as said:
        reached = said.read()
    _, status = os.waitpid(pid, 0)
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    return {"reached": reached, "signal": number}


@functools.cache
def _app(environ: str) -> Flask:
    """Make the application of these settings. It opens no connection: each fork opens its own."""
    return create_app(Config.from_env(json.loads(environ)))


def _obey(app: Flask, order: Mapping[str, Any], pipe: int) -> NoReturn:
    """Ask for the token. This process ends here, killed or not, and runs nothing of its launcher's."""
    try:
        signal.alarm(LONGEST)
        _arm(Point(order["point"]), pipe)
        with app.app_context():
            tokens.live(caller=Caller(**order["caller"]), service=service_named(order["service"]))
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def _arm(point: Point, pipe: int) -> None:
    def die() -> None:
        os.write(pipe, point.encode())
        os.kill(os.getpid(), signal.SIGKILL)

    owner, name, after = _PLACES[point]
    real = getattr(owner, name)
    setattr(owner, name, _after(real, die) if after else _instead_of(real, die))


def _after(real: Callable[..., Any], die: Callable[[], None]) -> Callable[..., Any]:
    """Die when the real one has succeeded: None says that it has not."""

    @functools.wraps(real)
    def replaced(*args: Any, **kwargs: Any) -> Any:
        result = real(*args, **kwargs)
        if result is not None:
            die()
        return result

    return replaced


def _instead_of(real: Callable[..., Any], die: Callable[[], None]) -> Callable[..., Any]:
    @functools.wraps(real)
    def replaced(*_args: Any, **_kwargs: Any) -> Any:
        die()

    return replaced


if __name__ == "__main__":
    _launch()
