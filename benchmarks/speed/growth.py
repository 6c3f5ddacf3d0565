"""python -m benchmarks.speed.growth: the first three operations with 1,000,000 connections, beside 20,000.

Two services on two databases of PostgreSQL take turns; the ratio is of their requests a second.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.kills import DATABASES

from . import houses, options, printing
from .houses import Server
from .machine import Machine, told
from .operations import ONE, SERVICES_OF_USER, TOKEN, Operation
from .population import EACH, Population
from .provider import StandIn
from .turns import Round, Side, alternate, wrong

KEPT = 0.90  # of what a service with few connections does
FIRST = (ONE, TOKEN, SERVICES_OF_USER)


@dataclass(frozen=True, slots=True)
class Settled:
    """A service, and who lives in its database."""

    url: str
    server: Server
    population: Population

    def side(self, operation: Operation) -> Side:
        return Side(self.server, operation, self.population)


@contextlib.contextmanager
def settled(users: int, flags: tuple[str, ...], provider: StandIn) -> Iterator[Settled]:
    """Start a service for so many users, on a database of its own."""
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(DATABASES["postgresql"]())
        spool = stack.enter_context(tempfile.TemporaryDirectory(prefix="latchkey-spool-"))
        environ = houses.settings(url, spool) | provider.settings(["spotify"])
        population = stack.enter_context(contextlib.closing(Population(environ, users)))
        server = stack.enter_context(houses.latchkey(environ, *flags))
        server.wait("/readyz")
        yield Settled(url, server, population)


def measure(given: argparse.Namespace, few: Settled, many: Settled) -> list[Round]:
    """Print what each operation keeps; return all rounds."""
    every, names = [], (f"{given.users * EACH:,}", f"{given.few * EACH:,}")
    with contextlib.closing(Machine(few.url, many.url)) as machine:
        for operation in FIRST:
            sides = few.side(operation), many.side(operation)
            found = alternate(*sides, options.generator(given), machine, given.rounds)
            wanted = {"requests": f"at least {KEPT:.2f}"}
            print(printing.block(f"\n{operation.name}, by connections", names, found, wanted), flush=True)
            every += found
    return every


def arguments() -> argparse.Namespace:
    made = options.with_load(options.parser("What many connections cost."), users=100_000)
    made.add_argument("--few", type=int, default=2000, help="users of the service that is compared with")
    return made.parse_args()


def main() -> int:
    given = arguments()
    print(told(tempfile.gettempdir()))
    flags = options.of_gunicorn(given)
    with (
        contextlib.closing(StandIn()) as provider,
        settled(given.few, flags, provider) as few,
        settled(given.users, flags, provider) as many,
    ):
        return 1 if wrong(measure(given, few, many)) else 0


if __name__ == "__main__":
    sys.exit(main())
