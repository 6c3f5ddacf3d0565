"""python -m benchmarks.speed.bench: each operation of Latchkey beside one JSON route of bare Flask.

The exit status is 1 where any answer was wrong. What is slower than wanted is printed, and is no failure:
the ratios are of a machine that nobody else uses.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from benchmarks.kills import DATABASES

from . import houses, options, printing
from .houses import Server
from .load import Generator
from .machine import Machine, told
from .operations import BARE, ONE, OPERATIONS, TOKEN, Operation
from .population import Population
from .provider import StandIn
from .turns import Round, Side, alternate, wrong

STARTED = ("spotify", "github")  # the providers that flows go to
ALONE = "-alone"  # after an operation's name: over one connection
ALONE_WANTED = 2.0  # times bare Flask's p50, at most
CLAIMED = {"sqlite": False, "postgresql": True}  # the AUDIT_SYNC that the wanted ratios are for
AUDIT = {"on": (True,), "off": (False,), "both": (True, False)}


@dataclass(frozen=True, slots=True)
class Row:
    """An operation, over as many connections as are told or over one alone."""

    operation: Operation
    alone: bool = False

    @property
    def name(self) -> str:
        return self.operation.name + (ALONE if self.alone else "")

    def load(self, usual: Generator) -> Generator:
        return replace(usual, connections=1) if self.alone else usual


ROWS = {row.name: row for row in (*map(Row, OPERATIONS), Row(ONE, alone=True), Row(TOKEN, alone=True))}


@dataclass(frozen=True, slots=True)
class Bench:
    """Both servers, and the database of one of them. `claimed`: the wanted ratios are for these settings."""

    bare: Server
    house: Server
    population: Population
    machine: Machine
    title: str
    database: str
    claimed: bool

    def measure(self, row: Row, generator: Generator, rounds: int) -> list[Round]:
        generator = row.load(generator)
        sides = Side(self.bare, BARE, self.population), Side(self.house, row.operation, self.population)
        found = alternate(*sides, generator, self.machine, rounds)
        title = f"\n{row.name}, {self.title}, {generator.connections} at a time"
        print(printing.block(title, ("latchkey", "bare"), found, self.wanted(row)), flush=True)
        return found

    def wanted(self, row: Row) -> dict[str, str]:
        tail = {} if row.alone else {"p99/p50": f"latchkey at most {printing.TAIL}"}
        return {**tail, "p50" if row.alone else "requests": self.ratio(row)}

    def ratio(self, row: Row) -> str:
        """Return what is wanted of the row's ratio, "" where nothing is."""
        aim = f"at most {ALONE_WANTED}" if row.alone else f"{row.operation.wanted[self.database]:.2f}"
        return aim if self.claimed else ""

    def line(self, row: Row, found: Sequence[Round]) -> str:
        of = printing.half_of_them_took if row.alone else printing.requests_per_second
        return printing.row(f"{row.name}, {self.title}", self.ratio(row), found, of)


@contextlib.contextmanager
def bench(database: str, audit_sync: bool, told: argparse.Namespace) -> Iterator[Bench]:
    """Start everything on a database of its own, and end it."""
    flags = options.of_gunicorn(told)
    with contextlib.ExitStack() as stack:
        provider = stack.enter_context(contextlib.closing(StandIn()))
        url = stack.enter_context(DATABASES[database]())
        spool = stack.enter_context(tempfile.TemporaryDirectory(prefix="latchkey-spool-"))
        environ = houses.settings(url, spool, audit_sync=audit_sync) | provider.settings(STARTED)
        population = stack.enter_context(contextlib.closing(Population(environ, told.users)))
        machine = stack.enter_context(contextlib.closing(Machine(url)))
        bare = stack.enter_context(houses.bare((), *flags))
        house = stack.enter_context(houses.latchkey(environ, *flags))
        bare.wait("/")
        house.wait("/readyz")
        title = f"{database}, AUDIT_SYNC {'on' if audit_sync else 'off'}"
        claimed = CLAIMED[database] is audit_sync
        yield Bench(bare, house, population, machine, title, database, claimed)


def rows_of(told: argparse.Namespace) -> list[Row]:
    return [ROWS[name] for name in told.only or ROWS]


def measure(told: argparse.Namespace) -> Iterator[tuple[str, Sequence[Round]]]:
    """Yield the line of each row, and its rounds."""
    for database in options.databases(told):
        for audit_sync in AUDIT[told.audit_sync]:
            with bench(database, audit_sync, told) as ready:
                for row in rows_of(told):
                    found = ready.measure(row, options.generator(told), told.rounds)
                    yield ready.line(row, found), found


def arguments() -> argparse.Namespace:
    made = options.with_database(options.with_load(options.parser(__doc__.splitlines()[0]), users=2000))
    made.add_argument("--only", choices=ROWS, action="append", help="may be given several times")
    made.add_argument("--audit-sync", choices=AUDIT, default="both")
    return made.parse_args()


def main() -> int:
    given = arguments()
    print(told(tempfile.gettempdir()))
    lines, mistakes = [], 0
    for line, found in measure(given):
        lines.append(line)
        mistakes += wrong(found)
    print("\n| operation | ratio | spread | rounds without a mark | wanted | p99/p50 |")
    print("|---|---|---|---|---|---|")
    print("\n".join(lines))
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
