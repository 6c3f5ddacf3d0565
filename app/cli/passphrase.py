"""The passphrase of a file: asked for unseen, or taken from a file that nobody else may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import click

SHORTEST = 12  # characters
LONGEST = 4096  # bytes

option = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    help="A file that only its owner can read. Without it, the passphrase is asked for.",
)


def get(path: Path | None, *, twice: bool) -> str:
    """Return the passphrase. Raises click's exceptions, and OSError where the file cannot be read."""
    if path is None:
        text: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=twice, err=True)
    else:
        text = _private_text(path)
    if len(text) < SHORTEST or not text.isprintable():
        raise click.ClickException(f"A passphrase is one line of at least {SHORTEST} characters.")
    return text


def _private_text(path: Path) -> str:
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise click.ClickException(f"{path}: others may read the file; run chmod 600 on it.")
        return file.read(LONGEST).decode("utf-8", "replace").rstrip("\r\n")
