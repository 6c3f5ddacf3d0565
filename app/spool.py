"""The spool: where an answer that must not be lost is kept on disk until the database has it.

One folder is one node: whoever shares it can finish what another process of that node began. Its files hold
sealed bytes only. A file's name says whose answer it is: row, incarnation, generation, and the attempt.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

ROOM = 16384  # bytes set aside before a provider is called: a full disk is found out while it harms nothing
ABANDONED = 3600  # seconds after which a file that was set aside and never filled is nobody's

_NAME = re.compile(r"(?P<row>[0-9]+)\.(?P<inc>[0-9a-f]+)\.(?P<gen>[0-9]+)\.[0-9a-f]+\.answer")


@dataclass(frozen=True, slots=True)
class Place:
    """Which token of which row an answer succeeds; row 0 is none: a code has brought it."""

    row_id: int
    incarnation: str
    generation: int

    @classmethod
    def of_no_row(cls) -> Place:
        return cls(0, secrets.token_hex(16), 0)

    def context(self) -> tuple[str | int, ...]:
        """Return what the answer's envelope is bound to."""
        return ("spool", self.row_id, self.incarnation, self.generation)


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer on disk."""

    path: Path
    place: Place

    def read(self) -> bytes | None:
        """Return the sealed answer; None where somebody has dealt with it meanwhile."""
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None

    def written_at(self) -> float:
        """Return when, in seconds since the epoch; now where somebody has dealt with it."""
        try:
            return self.path.stat().st_mtime
        except FileNotFoundError:
            return time.time()

    def drop(self) -> None:
        """Remove it. One that cannot be removed is dealt with again, and found to be stored."""
        with suppress(OSError):
            os.unlink(self.path)


class Slot:
    """Room for one answer, set aside until the block ends."""

    def __init__(self, folder: str) -> None:
        self._folder, self._name, self._filled = folder, secrets.token_hex(8), False
        self._path = f"{folder}/{self._name}.reserved"
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.posix_fallocate(self._descriptor, 0, ROOM)
        except OSError:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
        if not self._filled:
            with suppress(FileNotFoundError):
                os.unlink(self._path)

    def fill(self, place: Place, sealed: bytes) -> Entry:
        """Keep the answer: when this returns, it has reached the disk."""
        os.pwrite(self._descriptor, sealed, 0)
        os.ftruncate(self._descriptor, len(sealed))
        os.fsync(self._descriptor)
        name = f"{place.row_id}.{place.incarnation}.{place.generation}.{self._name}.answer"
        entry = Entry(Path(self._folder, name), place)
        os.rename(self._path, entry.path)
        self._filled = True
        _sync_folder(self._folder)
        return entry


class Spool:
    """A folder of answers. Every method that writes raises OSError where the disk refuses."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._node: str | None = None

    @property
    def node(self) -> str:
        """The name of this node, made with the folder. Without a folder it is another one each time."""
        if self._node is None:
            try:
                self._node = self._name()
            except OSError:
                return secrets.token_hex(16)
        return self._node

    def _name(self) -> str:
        path = self._folder / "node"
        if not path.exists():
            self._make_folder()
            draft = self._folder / f"{secrets.token_hex(8)}.node"
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(16))
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(draft, path)  # the first of several starting processes names it
            draft.unlink()
        return path.read_text("ascii")

    def reserve(self) -> Slot:
        folder = str(self._folder)
        try:
            return Slot(folder)
        except FileNotFoundError:
            self._make_folder()
            return Slot(folder)

    def entries(self, incarnation: str | None = None) -> list[Entry]:
        """Return the answers that wait, or those of one row; the latest first."""
        found = [entry for entry in self._listed() if incarnation in (None, entry.place.incarnation)]
        return sorted(found, key=Entry.written_at, reverse=True)

    def sweep(self) -> None:
        """Remove what was set aside by processes that are gone."""
        for path in self._folder.glob("*.reserved"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - ABANDONED:
                    path.unlink()

    def _listed(self) -> list[Entry]:
        try:
            matched = [_NAME.fullmatch(name) for name in os.listdir(self._folder)]
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return []  # whoever writes there is told
        return [
            Entry(self._folder / found[0], Place(int(found["row"]), found["inc"], int(found["gen"])))
            for found in matched
            if found
        ]

    def _make_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
