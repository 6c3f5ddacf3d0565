"""python -m benchmarks.refresh_storm: one refresh for each expiry, however many ask at that moment.

Four processes serve one user's token to many readers. In each round the token has expired, and all readers
ask at once. Three kinds of provider: `strict` ends the whole grant when a spent refresh token comes back,
`slow` takes up to five seconds and ends both old tokens, `steady` does not rotate.

The provider's delay is what the sandbox was told to wait before it answers. The exit status is 1 unless
every expiry was one refresh, every answer was 200, and every token that was handed out was live.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.storm_readers import Answer, Crowd
from benchmarks.storm_service import Connected, connected
from tests.support.databases import PostgresqlDatabases, SqliteDatabases
from tests.support.providers import Sandbox

SEED = 20
DATABASES = ("sqlite", "postgresql")
HEAD = (
    *("database", "mode", "rounds", "readers", "200", "other", "refreshes/expiry", "retired"),
    *("wait p50", "wait p99", "provider p50", "provider p99"),
)


@dataclass(frozen=True, slots=True)
class Mode:
    """A provider and how it behaves; `slowest` is the most seconds that it takes for a refresh."""

    provider: str
    service: str
    switches: Mapping[str, object] = field(default_factory=dict)
    slowest: float = 0.0


MODES = {
    "strict": Mode("discord", "discord", {"strict_reuse": True}),
    "slow": Mode("github", "github", {"expiry": "expiring"}, slowest=5.0),
    "steady": Mode("google", "gmail"),
}


@dataclass(frozen=True, slots=True)
class Round:
    """What one expiry led to."""

    delay: float
    refreshes: int
    answers: Sequence[Answer]
    retired: int  # answers that carried a token which was not live when the round was over

    @property
    def good(self) -> int:
        return sum(answer.status == 200 for answer in self.answers)

    @property
    def holds(self) -> bool:
        return self.refreshes == 1 and not self.retired and self.good == len(self.answers)

    def __str__(self) -> str:
        words = Counter(answer.word for answer in self.answers)
        said = ", ".join(f"{count} x {word}" for word, count in words.most_common())
        return f"delay {self.delay:.3f} s, {self.refreshes} refreshes, {self.retired} retired, {said}"


async def play(grant: Connected, crowd: Crowd, delay: float) -> Round:
    """Let the token expire, and all ask for it."""
    await crowd.gather()
    grant.delay(delay)
    grant.expire()
    answers = await crowd.ask()
    handed_out = Counter(answer.access_token for answer in answers if answer.access_token)
    retired = sum(count for token, count in handed_out.items() if not grant.is_live(token))
    return Round(delay, grant.refreshes(), answers, retired)


async def storm(grant: Connected, crowd: Crowd, delays: Sequence[float], name: str) -> list[Round]:
    await crowd.gather()
    await crowd.ask()  # every process has loaded what it needs
    rounds = []
    for number, delay in enumerate(delays, 1):
        rounds.append(await play(grant, crowd, delay))
        if not rounds[-1].holds:
            print(f"{name}, round {number}: {rounds[-1]}", file=sys.stderr)
    return rounds


def run(sandbox: Sandbox, database_url: str, name: str, mode: Mode, size: tuple[int, int]) -> list[Round]:
    """Play the rounds of one mode on one database; `size` is rounds and readers."""
    chance = random.Random(SEED)
    delays = [chance.uniform(0, mode.slowest) for _ in range(size[0])]
    sandbox.control.switch(mode.provider, **mode.switches)
    with connected(sandbox, database_url, mode.provider, size[1]) as (grant, port):
        token = grant.connect(mode.service)
        crowd = Crowd(size[1], port, f"/api/connections/{mode.service}/token", token)
        rounds = asyncio.run(storm(grant, crowd, delays, name))
        if not all(each.holds for each in rounds):
            print(grant.workers.log(), file=sys.stderr)
    return rounds


def percentile(values: Sequence[float], part: float) -> float:
    return sorted(values)[max(0, math.ceil(len(values) * part) - 1)]


def row(database: str, mode: str, rounds: Sequence[Round]) -> tuple[str, ...]:
    answers = [answer for each in rounds for answer in each.answers]
    good = sum(each.good for each in rounds)
    times = [[answer.waited for answer in answers], [each.delay for each in rounds]]
    return (
        *(database, mode, str(len(rounds)), str(len(rounds[0].answers)), str(good), str(len(answers) - good)),
        f"{sum(each.refreshes for each in rounds) / len(rounds):.2f}",
        str(sum(each.retired for each in rounds)),
        *(f"{percentile(values, part) * 1000:.0f} ms" for values in times for part in (0.50, 0.99)),
    )


def table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(each, widths, strict=True)) for each in rows]
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.refresh_storm", description="One refresh per expiry.")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--mode", choices=MODES, help="default: each")
    parser.add_argument("--database", choices=DATABASES, help="default: each")
    return parser.parse_args()


def main() -> int:
    given, good = arguments(), True
    rows: list[tuple[str, ...]] = [HEAD]
    with contextlib.ExitStack() as stack:
        sandbox = Sandbox.start()
        stack.callback(sandbox.stop)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="latchkey-storm-"))
        for database in [given.database] if given.database else DATABASES:
            databases = SqliteDatabases(Path(folder)) if database == "sqlite" else PostgresqlDatabases()
            stack.callback(databases.close)
            for name in [given.mode] if given.mode else MODES:
                began = time.monotonic()
                size = (given.rounds, given.readers)
                rounds = run(sandbox, databases.new(), f"{database} {name}", MODES[name], size)
                print(f"{database} {name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
                rows.append(row(database, name, rounds))
                good = good and all(each.holds for each in rounds)
    print(table(rows))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
