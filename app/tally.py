"""Where counts are kept: in memory, or in files of a folder that the processes of one node share.

prometheus-client names such files by process, and they pile up as processes come and go. Here a process takes
the lowest number that no living one has: a lock that ends with it, however it ends. Whoever has the number
next goes on counting in the same files, so that nothing is lost and nothing piles up.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, disable_created_metrics, values
from prometheus_client.multiprocess import MultiProcessCollector

from config import metrics_folder

KINDS = ("counter", "histogram")
ROOM = 1 << 18  # bytes of a file, set aside at once: to write into a page that a full disk refuses is fatal

log = logging.getLogger(__name__)


class Seat:
    """The number of this process among those that share a folder. A fork takes one of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid != os.geteuid():
            raise PermissionError("the folder is somebody else's")
        self._folder, self._number = folder, 0
        os.register_at_fork(after_in_child=self._leave)

    def __call__(self) -> int:
        if not self._number:
            self._number = self._take()
        return self._number

    def _leave(self) -> None:
        self._number = 0

    def _take(self) -> int:
        for number in count(1):
            lock = os.open(self._folder / f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
            else:
                break  # it stays open until this process ends
        for kind in KINDS:
            _set_room_aside(self._folder / f"{kind}_{number}.db")
        return number


def _set_room_aside(path: Path) -> None:
    """Make a file of zeros, unless it is there: whoever reads at this moment sees none of it or all."""
    if path.exists():
        return
    draft = path.with_suffix(".new")
    file = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(file, 0, ROOM)
    finally:
        os.close(file)
    draft.rename(path)


def _shared_folder() -> Path | None:
    """Have counts kept in the folder that is named, and return it; None where there is none to be had."""
    folder = metrics_folder()
    try:
        if folder is not None:
            values.ValueClass = values.MultiProcessValue(Seat(folder))  # type: ignore[no-untyped-call]
            return folder
    except OSError as error:
        log.error("PROMETHEUS_MULTIPROC_DIR: each process counts for itself (%s)", type(error).__name__)
    values.ValueClass = values.MutexValue
    return None


disable_created_metrics()  # type: ignore[no-untyped-call] # files of several processes cannot tell
_folder = _shared_folder()
_registry = CollectorRegistry()


def counter(name: str, help: str, *labels: str) -> Counter:
    return Counter(name, help, labels, registry=_registry)


def histogram(name: str, help: str, *labels: str, buckets: Sequence[float]) -> Histogram:
    return Histogram(name, help, labels, buckets=buckets, registry=_registry)


def counted() -> Iterable[Metric]:
    """Return what all processes of this node have counted, or this one where no folder is shared."""
    if _folder is None:
        return _registry.collect()
    merge: Callable[[list[str]], Iterable[Metric]] = MultiProcessCollector.merge
    return merge([str(path) for path in _folder.glob("*.db")])
