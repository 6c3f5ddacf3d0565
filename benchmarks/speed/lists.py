"""python -m benchmarks.speed.lists: what a list of 1,000 connections adds to the memory of the workers.

Each round is of a service that has just been started and warmed up by short lists: memory that a process
has had once it keeps, so that a second list would seem to cost nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.kills import DATABASES

from . import houses, options
from .houses import Server
from .operations import LIST, LONG_LIST
from .population import Population
from .provider import StandIn
from .turns import Spread

AT_ONCE = 16
ONE_MORE, ALL_MORE = 5.0, 150.0  # MB, at most
WARM = 100  # short lists
RESET_PEAK = "5"  # proc(5), /proc/pid/clear_refs


@dataclass(frozen=True, slots=True)
class Growth:
    """How many MB the workers grew at their peaks, all together."""

    one: float
    all: float


def growth(server: Server, ask: Callable[[], bool], times: int) -> float:
    """Ask so many times at once; return how many MB more the workers held at their peaks than before."""
    before = {worker.pid: resident(worker.pid, "VmRSS") for worker in server.workers}
    for pid in before:
        Path(f"/proc/{pid}/clear_refs").write_text(RESET_PEAK)
    with ThreadPoolExecutor(times) as threads:
        if not all(threads.map(lambda _: ask(), range(times))):
            raise SystemExit("a list was answered wrongly")
    return sum(resident(pid, "VmHWM") - was for pid, was in before.items()) / 1000


def resident(pid: int, name: str) -> int:
    """Return this line of /proc/pid/status, in kB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def measure(environ: Mapping[str, str], population: Population, flags: tuple[str, ...]) -> Growth:
    """Start a service, warm it up, and ask for the long list: once, and then many at once."""
    with houses.latchkey(environ, *flags) as server:
        server.wait("/readyz")
        short = LIST.asks(population, 0, server.url)
        [long] = LONG_LIST.asks(population, 0, server.url)
        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(lambda n: short[n % len(short)].is_answered(server.url), range(WARM)))
        return Growth(*(growth(server, lambda: long.is_answered(server.url), n) for n in (1, AT_ONCE)))


def arguments() -> argparse.Namespace:
    made = options.with_database(options.parser("The memory of long lists."))
    made.add_argument("--users", type=int, default=100)
    return made.parse_args()


def main() -> int:
    given = arguments()
    print(
        f"MB more at the peak of both workers; wanted: one {ONE_MORE}, {AT_ONCE} at once {ALL_MORE}, at most"
    )
    for database in options.databases(given):
        with (
            contextlib.closing(StandIn()) as provider,
            DATABASES[database]() as url,
            tempfile.TemporaryDirectory(prefix="latchkey-spool-") as spool,
        ):
            environ = houses.settings(url, spool) | provider.settings(["spotify"])
            with contextlib.closing(Population(environ, given.users)) as population:
                flags = options.of_gunicorn(given)
                found = [measure(environ, population, flags) for _ in range(given.rounds)]
        for name, values in (
            ("one", [each.one for each in found]),
            (f"{AT_ONCE}", [each.all for each in found]),
        ):
            print(f"{database:11} {name:4} {Spread.of(values)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
