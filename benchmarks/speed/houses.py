"""What is started to be measured: bare Flask and Latchkey, both under gunicorn with the house's settings."""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil
import requests
from gunicorn.config import KNOWN_SETTINGS

from config import RateLimits
from tests.support.databases import ROOT
from tests.support.processes import only
from tests.support.service import free_port
from tests.support.settings import base_settings

PATIENCE = 60  # seconds until a server answers, on a machine that is busy
LEFT_OUT = {"bind", "worker_class", "logger_class", "max_requests", "max_requests_jitter"}
ENDLESS = ("--max-requests", "0")  # a worker that starts anew in the middle of a round measures the start
LISTING = (
    "import json, sys, wsgi; print(json.dumps([name for name, module in list(sys.modules.items())"
    " if 'site-packages' in (getattr(module, '__file__', None) or '')]))"
)


class Process:
    """A python of ours, with these settings and no others. What it says on stderr is kept."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], folder: Path = ROOT) -> None:
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by close()
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder,
            env=only(environ),
            stdout=subprocess.DEVNULL,
            stderr=self._log,
        )

    def cpu(self) -> float:
        """Return the seconds of CPU that it has used."""
        return seconds_of(psutil.Process(self.process.pid))

    def log(self) -> str:
        file = self._log.fileno()
        return os.pread(file, os.fstat(file).st_size, 0).decode()

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(45)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()


class Server(Process):
    """A gunicorn; what is measured of it is its workers."""

    def __init__(
        self, options: Sequence[str], environ: Mapping[str, str], port: int, folder: Path = ROOT
    ) -> None:
        self.port, self.url = port, f"http://127.0.0.1:{port}"
        self.began = time.monotonic()
        super().__init__(["gunicorn", "-b", f"127.0.0.1:{port}", *ENDLESS, *options], environ, folder)

    @property
    def workers(self) -> list[psutil.Process]:
        return list(psutil.Process(self.process.pid).children())

    def cpu(self) -> float:
        return sum(self.cpu_of_each())

    def cpu_of_each(self) -> list[float]:
        return [seconds_of(worker) for worker in self.workers]

    def memory(self) -> int:
        """Return the resident bytes of all workers, shared pages counted in each."""
        return sum(worker.memory_info().rss for worker in self.workers)

    def wait(self, path: str) -> None:
        """Return when this path is answered well."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                requests.get(self.url + path, timeout=PATIENCE).raise_for_status()
                return
            except requests.RequestException:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"gunicorn does not answer:\n{self.log()}") from None
                time.sleep(0.05)


def seconds_of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextlib.contextmanager
def bare(packages: Sequence[str] = (), *options: str) -> Iterator[Server]:
    """Run bare Flask, importing these modules as well. `options` are gunicorn's."""
    with tempfile.TemporaryDirectory(prefix="latchkey-speed-") as folder:
        conf = Path(folder) / "bare.conf.py"
        conf.write_text(plain_settings())
        command = ["-c", str(conf), *options, "benchmarks.speed.bare_app:app"]
        with running(Server(command, {"PACKAGES": json.dumps(list(packages))}, free_port())) as server:
            yield server


@contextlib.contextmanager
def latchkey(environ: Mapping[str, str], *options: str, folder: Path = ROOT) -> Iterator[Server]:
    """Run Latchkey, of this checkout or of another one that lies in `folder`."""
    port = free_port()
    environ = {**environ, "PUBLIC_URL": f"http://127.0.0.1:{port}"}
    command = ["-c", "gunicorn.conf.py", *options, "wsgi:app"]
    with running(Server(command, environ, port, folder)) as server:
        yield server


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
    try:
        yield server
    finally:
        server.close()


def plain_settings() -> str:
    """Return a gunicorn.conf.py of the house's numbers: without its hooks, its log and its own worker."""
    house = runpy.run_path(str(ROOT / "gunicorn.conf.py"))
    known = {setting.name for setting in KNOWN_SETTINGS} - LEFT_OUT
    plain = {name: value for name, value in house.items() if name in known and is_plain(value)}
    return "".join(f"{name} = {value!r}\n" for name, value in {**plain, "worker_class": "gthread"}.items())


def is_plain(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def settings(database_url: str, spool: str, *, audit_sync: bool = True) -> dict[str, str]:
    """Return settings with everything on that makes it safe; only the numbers of the limits are raised."""
    limits = {f"RATELIMIT_{word.upper()}": "1000000000/minute" for word in RateLimits.__slots__}
    return {
        **base_settings(),
        **limits,
        "RATELIMIT_ENABLED": "true",
        "DATABASE_URL": database_url,
        "SPOOL_DIR": spool,
        "AUDIT_SYNC": str(audit_sync).lower(),
        "JWT_ACCESS_TTL": "86400",
        "MAX_CONNECTIONS_PER_USER": "1000000",
    }


def packages_of(environ: Mapping[str, str]) -> list[str]:
    """Return every module of others' that Latchkey has imported when it is ready to serve."""
    listing = [sys.executable, "-c", LISTING]
    said = subprocess.run(listing, cwd=ROOT, env=only(environ), capture_output=True, text=True, check=True)
    return list(json.loads(said.stdout))
