"""Processes as an operator starts them: gunicorn with the house's own settings, the command line."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping

import requests

from tests.support.databases import ROOT
from tests.support.service import free_port


def run(*command: str, environ: Mapping[str, str], **kwargs: object) -> subprocess.CompletedProcess[str]:
    """Run python with these arguments and these settings alone; return its output and status."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=only(environ),
        capture_output=True,
        text=True,
        timeout=60,
        **kwargs,  # type: ignore[call-overload]
    )


class Gunicorn:
    """A gunicorn of the test's own."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        address = f"127.0.0.1:{self.port}"
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by close()
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "gunicorn",
                "-c",
                "gunicorn.conf.py",
                "-w",
                "1",
                "-b",
                address,
                "wsgi:app",
            ],
            cwd=ROOT,
            env=only(environ),
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def get(self, path: str, **kwargs: object) -> requests.Response:
        return requests.get(self.url + path, timeout=10, **kwargs)  # type: ignore[arg-type]

    def wait_for_answer(self, path: str = "/healthz", seconds: float = 20) -> requests.Response:
        """Ask until somebody listens."""
        end = time.monotonic() + seconds
        while True:
            try:
                return self.get(path)
            except requests.ConnectionError:
                assert self.process.poll() is None, self.log()
                assert time.monotonic() < end, self.log()
                time.sleep(0.05)

    def wait_for_end(self, seconds: float = 20) -> int:
        return self.process.wait(seconds)

    def log(self) -> str:
        self._log.flush()
        self._log.seek(0)
        return self._log.read()

    def said(self) -> set[str]:
        """Return the lines that are not gunicorn's own."""
        return {line for line in self.log().splitlines() if line and not line.startswith("[")}

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._log.close()


@contextlib.contextmanager
def gunicorn(environ: Mapping[str, str]) -> Iterator[Gunicorn]:
    started = Gunicorn(environ)
    try:
        yield started
    finally:
        started.close()


def only(environ: Mapping[str, str]) -> dict[str, str]:
    """The settings, and of the test's own environment nothing but what python needs."""
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | dict(environ)
