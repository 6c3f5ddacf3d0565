"""What a listing prints: a table on a terminal; into a pipe the same rows as aligned lines, nothing cut off.

Whatever users have named is shown as it is: no control character of theirs reaches the terminal, and none
of their brackets is taken for markup.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from app.services.audit import plain

GAP = "  "
NOTHING = "-"  # so that a line has as many words as its row has cells

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for programs.")


def document(value: Any) -> None:
    """Print a value that JSON can hold, as the one thing on stdout."""
    click.echo(json.dumps(value))


def show(names: Sequence[str], rows: Iterable[Sequence[object]], *, headed: bool = False) -> None:
    """Print rows under the names of their columns. A pipe gets the names only where it is `headed`."""
    values = list(rows)
    cells = [[told(value) for value in row] for row in values]
    sides = [_side(row[place] for row in values) for place in range(len(names))]
    if sys.stdout.isatty():
        _draw(names, cells, sides)
    else:
        _align([names, *cells] if headed else cells, sides)


def facts(found: Mapping[str, object]) -> None:
    """Print what is known of one thing: a name and a value to the line."""
    rows = [(name.replace("_", " "), told(value)) for name, value in found.items()]
    if sys.stdout.isatty():
        _draw(("", ""), rows, ("left", "left"))
    else:
        _align(rows, ("left", "left"))


def told(value: object) -> str:
    """Return a value as a cell shows it: moments in UTC, lists with commas, nothing as a dash."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"
    if isinstance(value, list | tuple):
        return ", ".join(map(told, value)) or NOTHING
    return NOTHING if value is None else plain(str(value)) or NOTHING


def _side(values: Iterable[object]) -> JustifyMethod:
    numbers = all(isinstance(value, int) and not isinstance(value, bool) for value in values)
    return "right" if numbers else "left"


def _draw(names: Sequence[str], cells: Iterable[Sequence[str]], sides: Sequence[JustifyMethod]) -> None:
    """Draw a table as wide as the terminal at most; what does not fit goes on in the next line."""
    has_names = any(names)
    table = Table(box=SIMPLE_HEAD if has_names else None, show_header=has_names, pad_edge=False)
    for name, side in zip(names, sides, strict=True):
        table.add_column(name, justify=side, overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    Console(file=sys.stdout, highlight=False).print(table)


def _align(lines: Sequence[Sequence[str]], sides: Sequence[JustifyMethod]) -> None:
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = [_padded(*cell) for cell in zip(line, widths, sides, strict=True)]
        click.echo(GAP.join(padded).rstrip())


def _padded(text: str, width: int, side: JustifyMethod) -> str:
    space = " " * (width - cell_len(text))
    return space + text if side == "right" else text + space
