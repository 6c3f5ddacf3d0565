"""A service under gunicorn with one connected user, whose access token can be made to expire."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import requests
from sqlalchemy import NullPool, create_engine, update

from app.models import Grant
from tests.support.browser import Agent
from tests.support.databases import ROOT
from tests.support.providers import Sandbox
from tests.support.service import Service, User, free_port
from tests.support.settings import base_settings

WORKERS, THREADS = 4, 50
ACCOUNT = "storm"


class Workers:
    """gunicorn with the house's settings and its access log off. Users and agents call it as a service.

    Each process takes its share of the readers and no more. Without that limit one process takes most of
    them, and those who have no thread there queue instead of asking.
    """

    def __init__(self, environ: Mapping[str, str], port: int, readers: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by close()
        options = ["-w", str(WORKERS), "--threads", str(THREADS), "-b", f"127.0.0.1:{port}"]
        options += ["--access-logfile", os.devnull, "--keep-alive", "0"]
        options += ["--worker-connections", str(math.ceil(readers / WORKERS))]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", *options, "wsgi:app"],
            cwd=ROOT,
            env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | dict(environ),
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def call(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        kwargs.setdefault("allow_redirects", False)
        return requests.request(method, self.url + path, timeout=30, **kwargs)

    def wait(self, seconds: float = 30) -> None:
        """Return when the service answers."""
        end = time.monotonic() + seconds
        while True:
            try:
                self.call("GET", "/readyz").raise_for_status()
                return
            except requests.RequestException:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"gunicorn does not answer:\n{self.log()}") from None
                time.sleep(0.1)

    def log(self) -> str:
        self._log.flush()
        self._log.seek(0)
        return self._log.read()

    def close(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(40)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


class Connected:
    """One user's grant: seen from the service's database and from its provider."""

    def __init__(self, workers: Workers, sandbox: Sandbox, database_url: str, provider: str) -> None:
        self.workers = workers
        self._provider = provider
        self._control = sandbox.control
        self._engine = create_engine(database_url, poolclass=NullPool)
        self._seen = 0

    def connect(self, service_name: str) -> str:
        """Register a user and connect the account; return the user's bearer token."""
        service = cast(Service, self.workers)
        self._control.add_account(self._provider, ACCOUNT)
        user = User(service, "storm")
        answer = Agent(service).connect(user, service_name, account=ACCOUNT)
        assert answer.status_code < 400, answer.text
        self.refreshes()
        return user.token

    def expire(self) -> None:
        """End the access token at the provider and here."""
        self._control.expire(self._provider, account=ACCOUNT)
        now = datetime.now(UTC)
        ended = now - timedelta(seconds=1)
        past = {"token_at": now - timedelta(hours=1), "expires_at": ended, "due_at": ended}
        with self._engine.begin() as connection:
            connection.execute(update(Grant).values(past))

    def delay(self, seconds: float) -> None:
        """Make the next refresh take so long."""
        self._control.clear_faults(self._provider)
        if seconds:
            self._control.fault(self._provider, "refresh", "slow", seconds=seconds)

    def refreshes(self) -> int:
        """Return how many refreshes have come to the provider since this was last asked."""
        rows = self._control.log(self._provider, since=self._seen)
        self._seen = max([self._seen, *(row["n"] for row in rows)])
        return sum(row["endpoint"] == "refresh" for row in rows)

    def is_live(self, token: str) -> bool:
        return self._control.token_state(self._provider, token) == "live"


@contextlib.contextmanager
def connected(
    sandbox: Sandbox, database_url: str, provider: str, readers: int
) -> Iterator[tuple[Connected, int]]:
    """Run a service on this database until the end of the block; give it and its port."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="latchkey-storm-") as spool:
        url = f"http://127.0.0.1:{port}"
        own = {"DATABASE_URL": database_url, "PUBLIC_URL": url, "SPOOL_DIR": spool, "JWT_ACCESS_TTL": "86400"}
        workers = Workers({**base_settings(), **own, **sandbox.register(url)}, port, readers)
        try:
            workers.wait()
            yield Connected(workers, sandbox, database_url, provider), port
        finally:
            workers.close()
