"""The service as its users start it: `run.py` on a copy of the tree, with gunicorn and the sandbox."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from playwright.sync_api import Browser

from sandbox.driver import Control
from tests.support.chromium import chromium, new_page
from tests.support.databases import ROOT
from tests.support.person import Person
from tests.support.service import free_port

Arrive = Callable[..., Person]

PARTS = ("app", "sandbox", "serving", "migrations", *(file.name for file in ROOT.glob("*.py")))


@dataclass
class Running:
    """`url` is where a browser goes, `log` what was printed, `folder` where it keeps its files."""

    url: str
    folder: Path
    log: Path
    process: subprocess.Popen[bytes]


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("clone")
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, folder / part)
    (folder / "sitecustomize.py").write_text("import logging\nlogging.basicConfig(level=logging.DEBUG)\n")
    port = free_port()
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PORT": str(port),
        "PYTHONPATH": str(folder),
        "RATELIMIT_ENABLED": "false",  # a test does in a second what a person does in an hour
    }
    log = folder / "output.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "run.py"], cwd=folder, env=environ, stdout=output, stderr=output
        )
    started = Running(f"http://localhost:{port}", folder, log, process)
    wait_until_ready(started)
    yield started
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


@pytest.fixture(scope="session")
def control(running: Running) -> Control:
    """The sandbox's own door. Where it listens shows only in where a flow leads."""
    body = {"username": "finder", "email": "finder@example.com", "password": "correct horse battery"}
    answer = requests.post(f"{running.url}/api/auth/register", json=body, timeout=20)
    query = {"token": answer.json()["access_token"]}
    start = f"{running.url}/api/connections/github"
    led = requests.get(start, params=query, allow_redirects=False, timeout=20)
    parts = urlsplit(led.headers["Location"])
    return Control(f"{parts.scheme}://{parts.netloc}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a module: two of Playwright's drivers do not bear each other in one process."""
    with chromium() as started:
        yield started


@pytest.fixture
def arrive(running: Running, browser: Browser) -> Iterator[Arrive]:
    """Let somebody new come with a browser of their own: arrive(java_script_enabled=False)."""
    contexts = []

    def come(host: str = "localhost", **settings: Any) -> Person:
        page = new_page(browser, **settings)
        contexts.append(page.context)
        return Person(page, running.url.replace("localhost", host))

    yield come
    for context in contexts:
        context.close()


@pytest.fixture
def person(arrive: Arrive) -> Person:
    """Somebody who is signed in, and sees their connections."""
    return arrive().enter()


def wait_until_ready(started: Running) -> None:
    for _ in range(600):
        assert started.process.poll() is None, started.log.read_text()
        try:
            if requests.get(f"{started.url}/readyz", timeout=2).ok:
                return
        except (requests.ConnectionError, requests.Timeout):
            pass  # nobody listens yet, or everything that starts on this machine is slower than that
        time.sleep(0.1)
    pytest.fail(started.log.read_text())
