"""python -m benchmarks.first_connection: from a clean clone to a token in hand, by README's own commands.

Clones HEAD into a temporary folder, runs README's `make run` there, and goes through the blocks of "The first
five minutes" in one shell. Where a block prints a `connect_url`, Chromium opens it, goes on and allows, as
the reader does. Prints the seconds since the start. How long the set-up takes depends on the network and on
what the package installer has kept from before.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import requests
from playwright.sync_api import sync_playwright

from tests.support.chromium import CHROMIUM, FLAGS
from tests.support.databases import ROOT
from tests.support.documents import blocks, read
from tests.support.service import free_port
from tests.support.shell import Shell

PATIENCE = 900  # seconds for the set-up and the first answer


@dataclass
class Clock:
    """Writes down when each stage was reached, in seconds since the start, and each only once."""

    began: float = field(default_factory=time.monotonic)
    reached: dict[str, float] = field(default_factory=dict)

    def mark(self, stage: str) -> None:
        self.reached.setdefault(stage, time.monotonic() - self.began)

    def __str__(self) -> str:
        return "\n".join(f"{stage:<16}{seconds:>7.1f} s" for stage, seconds in self.reached.items())


def run_command() -> str:
    """Return the command that README starts the service with, without its comment."""
    found = re.search(r"^    (make run\b[^#\n]*)", read("README.md"), re.MULTILINE)
    if found is None:
        sys.exit("README has no `make run`.")
    return found[1].strip()


def bare_environment() -> dict[str, str]:
    """Return this environment without what changes how python runs, so that it keeps what it compiles."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


@contextlib.contextmanager
def started(folder: Path, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run README's command in the clone, and end all that it started."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-c", run_command()],
            cwd=folder,
            env={**bare_environment(), "PORT": str(port)},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)  # a group of its own, which make leads
        process.wait(60)


def wait_until_it_answers(process: subprocess.Popen[bytes], folder: Path, url: str, clock: Clock) -> None:
    while clock.began + PATIENCE > time.monotonic() and process.poll() is None:
        if (folder / ".venv/.ok").exists():
            clock.mark("set up")
            with contextlib.suppress(requests.RequestException):  # nobody listens yet
                if requests.get(f"{url}/readyz", timeout=5).ok:
                    return clock.mark("first answer")
        time.sleep(0.1)
    sys.exit("The service did not start.")


def allow(connect_url: str) -> None:
    """Open the link in Chromium, go on, and allow."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        page = chromium.new_page()
        page.goto(connect_url)
        page.get_by_role("button", name="Continue").click()
        page.get_by_role("button", name="Allow").click()
        page.wait_for_url("**/callback?**")
        chromium.close()


def follow(folder: Path, address: str, clock: Clock) -> None:
    """Type README's blocks; what their answers show is what has been reached."""
    with Shell(folder, bare_environment()) as shell:
        for block in blocks("README.md"):
            if block.heading != "The first five minutes":
                continue
            answers = shell.run(block.code.replace("localhost:8080", address))
            if '"error"' in answers:
                sys.exit(f"README's block fails:\n{block.code}\n{answers}")
            if '"refresh_token"' in answers:
                clock.mark("registered")
            elif '"access_token"' in answers:
                clock.mark("token in hand")
            for url in re.findall(r'"connect_url": ?"([^"]+)"', answers):
                allow(url)
                clock.mark("connected")


def main() -> int:
    if not CHROMIUM.exists():
        sys.exit("Chromium is needed, in /usr/bin.")
    with tempfile.TemporaryDirectory(prefix="latchkey-first-") as temporary:
        folder, log, address = Path(temporary) / "clone", Path(temporary) / "log", f"localhost:{free_port()}"
        clock = Clock()
        subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
        with started(folder, int(address.rpartition(":")[2]), log) as process:
            try:
                wait_until_it_answers(process, folder, f"http://{address}", clock)
                follow(folder, address, clock)
            except BaseException:
                print(log.read_text(errors="replace")[-4000:], file=sys.stderr)
                raise
    print(clock)
    wanted = ["set up", "first answer", "registered", "connected", "token in hand"]
    return 0 if list(clock.reached) == wanted else 1


if __name__ == "__main__":
    sys.exit(main())
