"""Files that an operator names: written whole or not at all, read as often as need be."""

from __future__ import annotations

import errno
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import BinaryIO

STANDARD = Path("-")  # stdout where something is written, stdin where it is read


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """Give a draft for its owner's eyes only, which becomes the file when the block has ended well.

    A file that is there is not written over: FileExistsError.
    """
    if path == STANDARD:
        with open(sys.stdout.fileno(), "wb", closefd=False) as file:
            yield file
        return
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # a rename would take the place of what was made meanwhile
    finally:
        draft.unlink()


@contextmanager
def read(path: Path) -> Iterator[BinaryIO]:
    """Give a file that can be wound back: what comes through a pipe is copied to one without a name."""
    with sys.stdin.buffer if path == STANDARD else path.open("rb") as file:
        if file.seekable():
            yield file
            return
        with TemporaryFile() as copy:
            copyfileobj(file, copy)
            copy.seek(0)
            yield copy
