"""Progress bars: on stderr, and only where people look at it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

import click

Item = TypeVar("Item")


def over(items: Iterable[Item], length: int | None = None) -> AbstractContextManager[Iterable[Item]]:
    """Give the same items, and show how far they have come."""
    return click.progressbar(items, length=length, file=sys.stderr, hidden=not sys.stderr.isatty())


@contextmanager
def of(length: int) -> Iterator[Callable[[int], None]]:
    """Give a function that is told how many more are done with."""
    with click.progressbar(length=length, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        yield bar.update
