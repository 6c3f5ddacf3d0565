"""python -m benchmarks.speed.renewals: how many due tokens a second the worker renews.

`flask worker` runs as an operator runs it, against a provider that answers in 50 ms. The time is counted
from the first renewal that is seen to the last: not the start of the process.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta

from sqlalchemy import Engine, create_engine, func, select

from app.models import Grant, now
from app.providers import PROVIDERS
from benchmarks.kills import DATABASES

from . import houses, options
from .houses import Process
from .machine import Machine
from .population import PROVIDER, Population, grant_of, insert_all, settle, user_of
from .provider import StandIn

WANTED = 10_000 / 60  # tokens a second
LOOK = 0.1  # seconds between two looks at how far it is
PATIENCE = 60  # seconds without any progress
AGE, LIFE = timedelta(hours=1), timedelta(hours=1, minutes=1)  # one minute is left of each token
RENEWED = tuple(one.name for one in PROVIDERS if one.has_refresh_tokens)


class Progress:
    """How many tokens have been renewed, and when that was seen first."""

    def __init__(self, engine: Engine, worker: Process) -> None:
        self._engine, self._worker = engine, worker
        self.done, self.at, self.cpu = self._look()

    def wait_for(self, count: int) -> None:
        """Return when so many are renewed."""
        end = time.monotonic() + PATIENCE
        while self.done < count:
            time.sleep(LOOK)
            before, (self.done, self.at, self.cpu) = self.done, self._look()
            if self.done > before:
                end = time.monotonic() + PATIENCE
            if time.monotonic() > end:
                raise SystemExit(f"{self.done} of {count} were renewed, and no more:\n{self._worker.log()}")

    def _look(self) -> tuple[int, float, float]:
        renewed = select(func.count()).select_from(Grant).where(Grant.generation > 1)
        with self._engine.connect() as connection:
            return connection.execute(renewed).scalar_one(), time.monotonic(), self._worker.cpu()


def put_due(count: int, providers: Sequence[str]) -> None:
    """Add so many users, each with a grant whose token is due at one of these providers in turn."""
    ids = range(3, count + 3)  # two users are there already
    insert_all(map(user_of, ids))
    insert_all(grant_of(id, id, providers[id % len(providers)], now() - AGE, LIFE) for id in ids)
    settle()


@contextlib.contextmanager
def at_work(url: str, given: argparse.Namespace) -> Iterator[Progress]:
    """Start the worker on a database in which so many tokens are due."""
    providers = given.provider or [PROVIDER]
    with contextlib.ExitStack() as stack:
        provider = stack.enter_context(contextlib.closing(StandIn(given.delay)))
        spool = stack.enter_context(tempfile.TemporaryDirectory(prefix="latchkey-spool-"))
        environ = houses.settings(url, spool) | provider.settings(providers)
        population = stack.enter_context(contextlib.closing(Population(environ, 1)))
        population.run(lambda: put_due(given.tokens, providers))
        engine = create_engine(url)
        stack.callback(engine.dispose)
        worker = Process(["flask", "--app", "wsgi", "worker"], environ)
        yield Progress(engine, stack.enter_context(contextlib.closing(worker)))


def measure(url: str, given: argparse.Namespace) -> str:
    """Return one line: tokens a second, CPU of the worker a token, and what others used of the machine."""
    with at_work(url, given) as progress, contextlib.closing(Machine(url)) as machine:
        progress.wait_for(1)
        first, began, cpu, watch = progress.done, progress.at, progress.cpu, machine.watch()
        progress.wait_for(given.tokens)
        watch.end()
    count, seconds, used = progress.done - first, progress.at - began, progress.cpu - cpu
    return (
        f"{count:7} {seconds:7.1f} s {count / seconds:8.1f}  {WANTED:8.1f} {used / count * 1e6:11.0f} us"
        f" {watch.database / count * 1e6:10.0f} us {watch.others:8.2f}"
    )


def arguments() -> argparse.Namespace:
    made = argparse.ArgumentParser(description="How quickly the worker renews.")
    options.with_database(made)
    made.add_argument("--tokens", type=int, default=10_000)
    made.add_argument("--delay", type=float, default=0.05, help="seconds until the provider answers")
    made.add_argument("--provider", choices=RENEWED, action="append", help="default: spotify alone")
    return made.parse_args()


def main() -> int:
    given = arguments()
    names = ("tokens", "took", "a second", "wanted", "CPU a token", "PostgreSQL", "others")
    print(f"{'database':11} {names[0]:>7} {names[1]:>9} {names[2]:>8}  {names[3]:>8}", end="")
    print(f" {names[4]:>14} {names[5]:>13} {names[6]:>8}")
    for database in options.databases(given):
        with DATABASES[database]() as url:
            print(f"{database:11} {measure(url, given)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
