"""Processes as an operator starts them: gunicorn with the house's own settings, the command line."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from typing import Any

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
    """A gunicorn of the test's own. `options` are gunicorn's, and win over what stands here."""

    def __init__(self, environ: Mapping[str, str], *options: str, app: str = "wsgi:app") -> None:
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
                *options,
                app,
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
            except (requests.ConnectionError, requests.ReadTimeout):  # the master listens before its workers
                assert self.process.poll() is None, self.log()
                assert time.monotonic() < end, self.log()
                time.sleep(0.05)

    def wait_for_end(self, seconds: float = 20) -> int:
        return self.process.wait(seconds)

    def log(self) -> str:
        """Read from the beginning, and leave the place where the processes write next."""
        file = self._log.fileno()
        return os.pread(file, os.fstat(file).st_size, 0).decode()

    def said(self) -> set[str]:
        """Return the lines that are for people, and no part of the log."""
        return {line for line in self.log().splitlines() if line and not line.startswith("{")}

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """Return the lines of the log, or those that say this."""
        found = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
        return [line for line in found if event in (None, line["event"])]

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
def gunicorn(environ: Mapping[str, str], *options: str) -> Iterator[Gunicorn]:
    started = Gunicorn(environ, *options)
    try:
        yield started
    finally:
        started.close()


def only(environ: Mapping[str, str]) -> dict[str, str]:
    """The settings, and of the test's own environment nothing but what python needs."""
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | dict(environ)
