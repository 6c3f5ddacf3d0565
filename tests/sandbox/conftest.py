"""One sandbox process for the whole folder, fresh for every test."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.driver import Application, Control

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[str]:
    """A sandbox process on a free port; the base URL it printed."""
    command = [sys.executable, "-m", "sandbox", "--port", "0", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()
            process.wait(5)


@pytest.fixture
def start() -> Callable[..., contextlib.AbstractContextManager[str]]:
    return running


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    with running() as url:
        yield url


@pytest.fixture
def control(sandbox_url: str) -> Control:
    control = Control(sandbox_url)
    control.reset()
    return control


@pytest.fixture
def application(control: Control) -> Callable[[str], Application]:
    return lambda provider: Application(control, provider)


@pytest.fixture
def google(application: Callable[[str], Application]) -> Application:
    return application("google")


@pytest.fixture
def facebook(application: Callable[[str], Application]) -> Application:
    return application("facebook")


@pytest.fixture
def github(application: Callable[[str], Application]) -> Application:
    return application("github")


@pytest.fixture
def spotify(application: Callable[[str], Application]) -> Application:
    return application("spotify")


@pytest.fixture
def discord(application: Callable[[str], Application]) -> Application:
    return application("discord")
