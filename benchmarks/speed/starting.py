"""python -m benchmarks.speed.starting: from a cold start to the first answer, and the memory of two workers.

Latchkey's first answer is a decrypted connection. It is compared with a bare Flask that imports every module
of others' that Latchkey imports, and with one that imports Flask alone.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import requests

from benchmarks.kills import DATABASES

from . import houses, options
from .houses import PATIENCE, Server
from .load import Generator, usual_generator
from .machine import told
from .operations import BARE, ONE, Operation
from .population import Population
from .provider import StandIn
from .turns import Spread

START, MEMORY = 1.5, 1.4  # times a bare Flask with the same packages, at most
CONNECTIONS = 16
USERS = 20

Start = Callable[[], contextlib.AbstractContextManager[Server]]


@dataclass(frozen=True, slots=True)
class Started:
    """How many seconds the first answer took, and how many MB the workers held after a second of load."""

    seconds: float
    memory: float


QUANTITIES: tuple[tuple[str, str, Callable[[Started], float]], ...] = (
    ("first answer", "s", lambda one: one.seconds),
    ("memory", "MB", lambda one: one.memory),
)


def measure(start: Start, operation: Operation, population: Population) -> Started:
    with start() as server:
        asks = operation.asks(population, 0, server.url)
        if not first_answer(lambda: asks[0].is_answered(server.url)):
            raise SystemExit(f"a wrong first answer:\n{server.log()}")
        seconds = time.monotonic() - server.began
        raw = [ask.to_bytes(server.port) for ask in asks]
        Generator(usual_generator(), 1, CONNECTIONS).load(server.port, raw, operation.expected)
        return Started(seconds, server.memory() / 1e6)


def first_answer(ask: Callable[[], bool]) -> bool:
    """Ask until somebody listens; return whether the answer was right."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            return ask()
        except requests.ConnectionError:
            time.sleep(0.005)
    return False


def report(title: str, house: list[Started], other: list[Started], wanted: tuple[str, str]) -> None:
    """Print both quantities beside those of the same round of another house."""
    for (name, unit, of), aim in zip(QUANTITIES, wanted, strict=True):
        found = Spread.of([of(a) / of(b) for a, b in zip(house, other, strict=True)])
        figures = f"{middle_of(house, of):8.2f} {unit:2} {middle_of(other, of):8.2f} {unit:2}"
        print(f"{title:32} {name:12} {figures} {found!s:25} {aim}".rstrip(), flush=True)


def middle_of(found: list[Started], of: Callable[[Started], float]) -> float:
    return Spread.of([of(one) for one in found]).middle


def compare(
    environ: Mapping[str, str], population: Population, rounds: int, flags: tuple[str, ...]
) -> dict[str, list[Started]]:
    """Start the three in turn, once more than counts: the first time they compile what they import."""
    packages = houses.packages_of(environ)
    starts: dict[str, tuple[Start, Operation]] = {
        "latchkey": (lambda: houses.latchkey(environ, *flags), ONE),
        "packages": (lambda: houses.bare(packages, *flags), BARE),
        "bare": (lambda: houses.bare((), *flags), BARE),
    }
    found: dict[str, list[Started]] = {name: [] for name in starts}
    for _ in range(rounds + 1):
        for name, (start, operation) in starts.items():
            found[name].append(measure(start, operation, population))
    return {name: values[1:] for name, values in found.items()}


def main() -> int:
    given = options.with_database(options.parser("Cold starts, and memory.")).parse_args()
    print(told(tempfile.gettempdir()))
    print(f"{'':45} {'latchkey':>11} {'the other':>11}  ratio  spread            wanted")
    for database in options.databases(given):
        with (
            contextlib.closing(StandIn()) as provider,
            DATABASES[database]() as url,
            tempfile.TemporaryDirectory(prefix="latchkey-spool-") as spool,
        ):
            environ = houses.settings(url, spool) | provider.settings(["spotify"])
            with contextlib.closing(Population(environ, USERS)) as population:
                found = compare(environ, population, given.rounds, options.of_gunicorn(given))
        wanted = (f"at most {START}", f"at most {MEMORY}")
        report(f"{database}, the same packages", found["latchkey"], found["packages"], wanted)
        report(f"{database}, Flask alone", found["latchkey"], found["bare"], ("", ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
