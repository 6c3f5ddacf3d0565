"""Asking before what cannot be undone."""

from __future__ import annotations

import sys

import click

option = click.option("--yes", is_flag=True, help="Do not ask.")


def confirm(question: str, *, yes: bool, unasked: bool = False) -> None:
    """Go on only where a person says so. `unasked` goes on where there is no terminal to ask at, too.

    The question goes to stderr: stdout is for what comes of it. Raises click's exceptions.
    """
    if yes:
        return
    if sys.stdin.isatty():
        click.confirm(question, abort=True, err=True)
    elif not unasked:
        raise click.ClickException("This cannot be undone, and there is no terminal to ask at; add --yes.")
