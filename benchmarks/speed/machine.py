"""The machine: how many cores, how busy with others' work, how quick its disk."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

import psutil
import psycopg
from sqlalchemy.engine import make_url

from .houses import seconds_of

DISTURBED = 0.1  # cores that others use: a round in which it is more is shown as disturbed
WRITES = 200
BLOCK = b"\x5a" * 4096
OURS = "SELECT pid FROM pg_stat_activity WHERE datname = ANY(%s) OR backend_type <> 'client backend'"


class Machine:
    """Tells the CPU of others from ours: of this process, its children, and the databases that are given.

    PostgreSQL's share is its backends of those databases and what it does in the background.
    """

    def __init__(self, *database_urls: str) -> None:
        found = [url for url in database_urls if url.startswith("postgresql")]
        self._names = [make_url(url).database for url in found]
        self._database = psycopg.connect(found[0], autocommit=True) if found else None

    def close(self) -> None:
        if self._database is not None:
            self._database.close()

    def watch(self) -> Watch:
        return Watch(self)

    def of_database(self) -> dict[int, float]:
        """Return the seconds of CPU of each process of PostgreSQL; of none, where it is another machine's."""
        if self._database is None:
            return {}
        pids = [pid for (pid,) in self._database.execute(OURS, [self._names])]
        return {pid: seconds for pid in pids if (seconds := of_postgres(pid)) is not None}


class Watch:
    """What was used since it began. `others` is in cores, `database` in seconds of CPU."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._began, self._busy, self._ours = time.monotonic(), busy(), ours()
        self._database = machine.of_database()

    def end(self) -> None:
        after = self._machine.of_database()
        self.seconds = time.monotonic() - self._began
        self.database = sum(seconds - self._database.get(pid, 0.0) for pid, seconds in after.items())
        used = busy() - self._busy - (ours() - self._ours) - self.database
        self.others = max(0.0, used / self.seconds)


def busy() -> float:
    """Return the seconds of CPU that all cores together were busy, or taken by another machine."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)


def ours() -> float:
    """Return the seconds of CPU of this process, its family, and its children that have ended."""
    me, own = psutil.Process(), os.times()
    family = sum(seconds_of(child) for child in me.children(recursive=True))
    return own.user + own.system + own.children_user + own.children_system + family


def of_postgres(pid: int) -> float | None:
    try:
        process = psutil.Process(pid)
        return seconds_of(process) if "postgres" in process.name() else None
    except psutil.Error:
        return None


def fdatasync(folder: str) -> tuple[float, float]:
    """Return how many seconds the disk takes to keep 4 KiB for certain: p50 and p99."""
    path = Path(folder) / "fdatasync"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        taken = sorted(kept(descriptor) for _ in range(WRITES))
    finally:
        os.close(descriptor)
        path.unlink()
    return statistics.median(taken), taken[int(WRITES * 0.99) - 1]


def kept(descriptor: int) -> float:
    began = time.perf_counter()
    os.write(descriptor, BLOCK)
    os.fdatasync(descriptor)
    return time.perf_counter() - began


def told(folder: str) -> str:
    """Return one line about this machine."""
    middle, slow = fdatasync(folder)
    disk = f"fdatasync of 4 KiB in {folder}: p50 {middle * 1e3:.2f} ms, p99 {slow * 1e3:.2f} ms"
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {disk}"
