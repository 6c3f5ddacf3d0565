"""How rounds are printed: each quantity beside bare Flask's, their ratio, its spread, and what is wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .machine import DISTURBED
from .turns import Round, Turn, middle, ratios, shown, wrong

TAIL = 2.5  # p99 at most so many times p50


def requests_per_second(turn: Turn) -> float:
    return turn.load.rate


def half_of_them_took(turn: Turn) -> float:
    return turn.load.p50


QUANTITIES: tuple[tuple[str, str, float, Callable[[Turn], float]], ...] = (
    ("requests", "/s", 1, requests_per_second),
    ("p50", "ms", 1e3, half_of_them_took),
    ("p99", "ms", 1e3, lambda turn: turn.load.p99),
    ("p99/p50", "", 1, lambda turn: turn.tail),
    ("CPU/request", "us", 1e6, lambda turn: turn.cpu),
    ("memory", "MB", 1e-6, lambda turn: turn.memory),
)


def block(title: str, names: tuple[str, str], rounds: Sequence[Round], wanted: dict[str, str]) -> str:
    """Return the lines of one row. `names` are of the house and of what it is compared with."""
    lines = [title, f"  {'':12}{names[0]:>11}{names[1]:>11}    ratio  spread            wanted"]
    for name, unit, scale, of in QUANTITIES:
        house = middle([each.house for each in rounds], of) * scale
        bare = middle([each.bare for each in rounds], of) * scale
        figures = f"  {name:12}{house:8.1f} {unit:2}{bare:8.1f} {unit:2} {ratios(rounds, of)!s:25}"
        lines.append(f"{figures} {wanted.get(name, '')}".rstrip())
    return "\n".join([*lines, *_below(rounds)])


def _below(rounds: Sequence[Round]) -> list[str]:
    """Return each round's ratio of requests a second, and whatever makes one doubt it."""
    found = " ".join(f"{shown(each.ratio(requests_per_second))}{_marks(each)}" for each in rounds)
    lines = [f"  rounds: {found}"]
    if any(each.uneven for each in rounds):
        lines[0] += "   ^ one worker of one side had nearly all of its connections"
    if any(each.disturbed for each in rounds):
        busiest = max(turn.others for each in rounds for turn in (each.bare, each.house))
        lines[0] += f"   * others used more than {DISTURBED} cores: up to {busiest:.2f}"
    if database := middle([each.house for each in rounds], lambda turn: turn.database):
        lines.append(f"  PostgreSQL's own CPU, not counted above: {database * 1e6:.0f} us a request")
    if count := wrong(rounds):
        lines.append(f"  WRONG ANSWERS: {count}")
    return lines


def _marks(one: Round) -> str:
    return ("*" if one.disturbed else "") + ("^" if one.uneven else "")


def quiet(rounds: Sequence[Round], of: Callable[[Turn], float]) -> str:
    """Return the middle ratio of the rounds without a mark, and how many those were."""
    found = [each for each in rounds if not _marks(each)]
    return f"{shown(ratios(found, of).middle)} of {len(found)}" if found else "none"


def row(
    title: str, wanted: str, rounds: Sequence[Round], of: Callable[[Turn], float] = requests_per_second
) -> str:
    """Return one line of the last table: a ratio, and Latchkey's tail."""
    found = ratios(rounds, of)
    tail = middle([each.house for each in rounds], lambda turn: turn.tail)
    cells = (f"{title:40}", shown(found.middle), found.range, quiet(rounds, of), wanted, f"{tail:.1f}")
    return f"| {' | '.join(cells)} |"
