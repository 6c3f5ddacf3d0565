"""python -m benchmarks.speed.change FOLDER: this checkout beside another one, in turns: what a change gives.

Both serve from one database, so the other one must be content with its schema.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.kills import DATABASES
from tests.support.databases import ROOT

from . import houses, options, printing
from .bench import CLAIMED, ROWS, STARTED, Row
from .machine import Machine, told
from .population import Population
from .provider import StandIn
from .turns import Round, Side, alternate, wrong

ROUNDS, SECONDS = 40, 1  # many short ones: what is looked for is less than single rounds differ by


def measure(given: argparse.Namespace, database: str, rows: Sequence[Row]) -> Iterator[list[Round]]:
    """Print what each operation gains; yield its rounds."""
    with contextlib.ExitStack() as stack:
        provider = stack.enter_context(contextlib.closing(StandIn()))
        url = stack.enter_context(DATABASES[database]())
        spool = stack.enter_context(tempfile.TemporaryDirectory(prefix="latchkey-spool-"))
        environ = houses.settings(url, spool, audit_sync=CLAIMED[database]) | provider.settings(STARTED)
        population = stack.enter_context(contextlib.closing(Population(environ, given.users)))
        machine = stack.enter_context(contextlib.closing(Machine(url)))
        folders = given.folder, ROOT
        there, here = (stack.enter_context(houses.latchkey(environ, folder=each)) for each in folders)
        for server in (there, here):
            server.wait("/readyz")
        for row in rows:
            sides = (Side(server, row.operation, population) for server in (there, here))
            found = alternate(*sides, row.load(options.generator(given)), machine, given.rounds)
            print(printing.block(f"\n{row.name}, {database}", ("here", "there"), found, {}))
            print(f"  {likely(found)}", flush=True)
            yield found


def likely(rounds: Sequence[Round]) -> str:
    """Tell how sure the ratio of requests is."""
    each = [one.ratio(printing.requests_per_second) for one in rounds]
    return f"mean ratio of requests {statistics.mean(each):.3f}, standard error {error_of(each):.3f}"


def error_of(values: Sequence[float]) -> float:
    return statistics.stdev(values) / len(values) ** 0.5


def arguments() -> argparse.Namespace:
    made = options.with_database(
        options.with_load(options.parser(__doc__.splitlines()[0], rounds=ROUNDS), users=1000)
    )
    made.set_defaults(seconds=SECONDS)
    made.add_argument("folder", type=Path, help="the other checkout")
    made.add_argument("--only", choices=ROWS, action="append", help="may be given several times")
    return made.parse_args()


def main() -> int:
    given = arguments()
    print(told(tempfile.gettempdir()))
    rows = [ROWS[name] for name in given.only or ROWS]
    found = [rounds for database in options.databases(given) for rounds in measure(given, database, rows)]
    return 1 if any(map(wrong, found)) else 0


if __name__ == "__main__":
    sys.exit(main())
