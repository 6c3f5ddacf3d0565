"""A B A B: two sides take turns on the same cores, so that what slows the machine slows both."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .houses import Server
from .load import Generator, Measured
from .machine import DISTURBED, Machine
from .operations import Ask, Operation
from .population import Population

SAMPLE = 3  # answers that are judged whole before each turn
GUESS = 400  # requests a second, before anything is known
ROOM = 3  # times as many requests as were answered last time, where each works once
TICK = 0.01  # seconds: the kernel counts no less
UNEVEN = 0.25  # of the work: where the busiest workers' shares differ by more, the sides are not alike


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side did: `cpu` and `database` in seconds of CPU a request, `memory` bytes, `others` cores.

    `share` is the busiest worker's, of the work of all.
    """

    load: Measured
    cpu: float
    share: float
    memory: float
    database: float
    others: float

    @property
    def tail(self) -> float:
        return self.load.p99 / self.load.p50


class Side:
    """A server, and what is asked of it."""

    def __init__(self, server: Server, operation: Operation, population: Population) -> None:
        self._server, self._operation, self._population = server, operation, population
        self._rate: float = GUESS
        self._asks: Sequence[Ask] = []

    def take(self, generator: Generator, machine: Machine) -> Turn:
        raw = self._prepared(generator.seconds)
        before, watch = self._server.cpu_of_each(), machine.watch()
        load = generator.load(self._server.port, raw, self._operation.expected)
        watch.end()
        each = [after - then for then, after in zip(before, self._server.cpu_of_each(), strict=True)]
        used = max(sum(each), TICK)
        self._rate = max(GUESS, load.rate)
        count = max(1, load.requests)
        memory = self._server.memory()
        return Turn(load, used / count, max(each) / used, memory, watch.database / count, watch.others)

    def _prepared(self, seconds: int) -> list[bytes]:
        """Return what will be sent, when some of it was answered as it must be."""
        if self._operation.once or not self._asks:
            count = int(self._rate * seconds * ROOM) + 500
            self._asks = self._operation.asks(self._population, count, self._server.url)
        kept = self._asks[SAMPLE:] if self._operation.once else self._asks
        sample = self._asks[:SAMPLE] if self._operation.once else random.choices(self._asks, k=SAMPLE)
        for ask in sample:
            if not ask.is_answered(self._server.url):
                raise SystemExit(f"{self._operation.name}: a wrong answer to {ask}")
        return [ask.to_bytes(self._server.port) for ask in kept]


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of each side."""

    bare: Turn
    house: Turn

    @property
    def disturbed(self) -> bool:
        return max(self.bare.others, self.house.others) > DISTURBED

    @property
    def uneven(self) -> bool:
        """Whether one side had its connections at one worker, and the other had not."""
        return abs(self.bare.share - self.house.share) > UNEVEN

    def ratio(self, of: Callable[[Turn], float]) -> float:
        return of(self.house) / of(self.bare)


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle one of some ratios, the least and the greatest."""

    middle: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{shown(self.middle):>6}  {self.range}"

    @property
    def range(self) -> str:
        return f"{shown(self.least)} to {shown(self.greatest)}"


def shown(ratio: float) -> str:
    """Return two digits that say something, or more."""
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.3f}"


def alternate(bare: Side, house: Side, generator: Generator, machine: Machine, rounds: int) -> list[Round]:
    """Warm both up, and let them take turns."""
    short = Generator(generator.name, 1, generator.connections)
    for side in (bare, house):
        side.take(short, machine)
    return [Round(bare.take(generator, machine), house.take(generator, machine)) for _ in range(rounds)]


def ratios(rounds: Sequence[Round], of: Callable[[Turn], float]) -> Spread:
    return Spread.of([each.ratio(of) for each in rounds])


def middle(turns: Sequence[Turn], of: Callable[[Turn], float]) -> float:
    return statistics.median(of(turn) for turn in turns)


def wrong(rounds: Sequence[Round]) -> int:
    return sum(turn.load.wrong for each in rounds for turn in (each.bare, each.house))
