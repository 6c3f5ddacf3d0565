"""How the command line says what failed: one sentence, and exit status 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import click

from app.errors import LatchkeyError

P = ParamSpec("P")
Result = TypeVar("Result")


def said(verb: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
    """Call a verb; a word of ours becomes click's."""
    try:
        return verb(*args, **kwargs)
    except LatchkeyError as word:
        raise click.ClickException(f"{word}.") from None
