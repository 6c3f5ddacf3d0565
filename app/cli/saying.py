"""How the command line says what failed: one sentence, and exit status 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import click
from sqlalchemy.exc import SQLAlchemyError

from app.errors import LatchkeyError
from app.models import trouble
from app.services.readiness import StoreMismatch

P = ParamSpec("P")
Result = TypeVar("Result")


def said(verb: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
    """Call a verb; a word of ours becomes click's, and so does a database that cannot serve."""
    try:
        with trouble_said():
            return verb(*args, **kwargs)
    except LatchkeyError as word:
        raise click.ClickException(f"{word}.") from None
    except StoreMismatch as mismatch:
        raise click.ClickException(str(mismatch)) from None


@contextmanager
def trouble_said() -> Iterator[None]:
    """Say why the database cannot serve. Any other failure of it is one of ours, and keeps its traceback."""
    try:
        yield
    except SQLAlchemyError as error:
        reason = trouble.of(error)
        if reason is None:
            raise
        raise click.ClickException(f"The database does not answer: {reason}.") from None
