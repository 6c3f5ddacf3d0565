"""Disks that fill up, and files that may not grow: what SQLite meets when its volume ends."""

from __future__ import annotations

import contextlib
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil

SIZE = "8m"
FILLER = "filler"


class Volume:
    """A file system of its own. Making one needs the right to mount: `None` from `mounted` where it lacks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        filler = self.folder / FILLER
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"\0" * 4096):
                pass
        try:
            yield
        finally:
            filler.unlink()

    def remount(self, how: str) -> None:
        """Make it `ro`, while nobody has a file open for writing, or `rw` again."""
        subprocess.run(["mount", "-o", f"remount,{how}", self.folder], check=True)


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[Volume | None]:
    """Give a volume at this empty folder, if this user may mount."""
    options = ["-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "latchkey-test"]
    if (
        not shutil.which("mount")
        or subprocess.run(["mount", *options, folder], capture_output=True).returncode
    ):
        yield None
        return
    try:
        yield Volume(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextlib.contextmanager
def no_file_longer_than(size: int, *, children_of: int) -> Iterator[None]:
    """Let these processes write to no file beyond so many bytes."""
    pids = [child.pid for child in psutil.Process(children_of).children()]
    before = [resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids]
    for pid, (_, most) in zip(pids, before, strict=True):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        for pid, limits in zip(pids, before, strict=True):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
