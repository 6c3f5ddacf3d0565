"""python -m benchmarks.faults: what is answered while a part fails, how late, and when it works again.

In each round a gunicorn is asked six things at once: to read, to write, for a token, to begin a flow, whether
it lives and whether it is ready. Nobody helps it to recover.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.databases import SqliteDatabases
from tests.support.houses import House, Said, ask_all, heal
from tests.support.outages import (
    OF_SQLITE,
    Outage,
    house_on_postgresql,
    house_on_sqlite,
    house_with_redis,
    of_postgresql,
    of_redis,
)
from tests.support.providers import Sandbox
from tests.support.servers import FrailPostgresql, FrailRedis

Furnished = contextlib.AbstractContextManager[tuple[House, Mapping[str, Outage]]]


@dataclass
class Found:
    """What came of one kind of outage."""

    worst: tuple[str, Said] | None = None
    recovery: float = 0.0  # seconds, the longest
    problems: list[str] = field(default_factory=list)

    def note(self, outage: Outage, said: Mapping[str, Said], recovery: float) -> None:
        slowest = max(said.items(), key=lambda item: item[1].seconds)
        if self.worst is None or slowest[1].seconds > self.worst[1].seconds:
            self.worst = slowest
        self.recovery = max(self.recovery, recovery)
        self.problems += outage.problems(said.items())


def main() -> None:
    arguments = argparse.ArgumentParser(description="Let every part fail, and ask meanwhile.")
    arguments.add_argument("--rounds", type=int, default=3, help="how often each part fails in each way")
    rounds = arguments.parse_args().rounds
    print(f"{'part':11} {'fails':15} {'worst answer':>22} {'well after':>11} {'failed otherwise':>17}")
    problems: list[str] = []
    with sandbox() as providers, tempfile.TemporaryDirectory(prefix="latchkey-faults-") as folder:
        for part, furnish in PARTS.items():
            problems += measure(part, furnish(providers, Path(folder)), rounds)
    print(*problems, sep="\n", file=sys.stderr)
    sys.exit(1 if problems else 0)


def measure(part: str, furnished: Furnished, rounds: int) -> list[str]:
    """Print the rows of one part; return what was not as it must be."""
    problems = []
    with furnished as (house, outages):
        for kind, outage in outages.items():
            found = Found()
            for _ in range(rounds):
                with outage.begin(house):
                    said = ask_all(house)
                found.note(outage, said, heal(house))
            print(row(part, kind, found), flush=True)
            problems += [f"{part}, {kind}: {problem}" for problem in found.problems]
    return problems


def row(part: str, kind: str, found: Found) -> str:
    assert found.worst is not None
    name, said = found.worst
    worst = f"{name} {said.status} {said.seconds * 1000:5.0f} ms"
    return f"{part:11} {kind:15} {worst:>22} {found.recovery * 1000:8.0f} ms {len(found.problems):17}"


@contextlib.contextmanager
def sandbox() -> Iterator[Sandbox]:
    started = Sandbox.start()
    try:
        yield started
    finally:
        started.stop()


@contextlib.contextmanager
def postgresql(providers: Sandbox, folder: Path) -> Iterator[tuple[House, Mapping[str, Outage]]]:
    frail = FrailPostgresql()
    try:
        with house_on_postgresql(frail, providers, folder / "spool of postgresql") as house:
            yield house, of_postgresql(frail)
    finally:
        frail.close()


@contextlib.contextmanager
def sqlite(providers: Sandbox, folder: Path) -> Iterator[tuple[House, Mapping[str, Outage]]]:
    with templates() as databases, house_on_sqlite(databases.template, providers, folder) as house:
        yield house, OF_SQLITE


@contextlib.contextmanager
def redis(providers: Sandbox, folder: Path) -> Iterator[tuple[House, Mapping[str, Outage]]]:
    frail = FrailRedis()
    try:
        with (
            templates() as databases,
            house_with_redis(frail, databases, providers, folder / "spool of redis") as house,
        ):
            yield house, of_redis(frail)
    finally:
        frail.close()


@contextlib.contextmanager
def templates() -> Iterator[SqliteDatabases]:
    with tempfile.TemporaryDirectory(prefix="latchkey-databases-") as folder:
        databases = SqliteDatabases(Path(folder))
        try:
            yield databases
        finally:
            databases.close()


PARTS: dict[str, Callable[[Sandbox, Path], Furnished]] = {
    "postgresql": postgresql,
    "sqlite": sqlite,
    "redis": redis,
}

if __name__ == "__main__":
    main()
