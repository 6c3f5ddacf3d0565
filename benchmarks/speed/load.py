"""A load on one port: so many connections, for so long, and every answer looked at.

wrk makes it where there is one, otherwise a generator of our own, which takes more of the machine for itself.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

GENERATORS = ("wrk", "own")
ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_suffix(".lua")


@dataclass(frozen=True, slots=True)
class Expected:
    """What is right: a status, and a text that stands in the body, or in this header."""

    status: int
    marker: str
    header: str | None = None

    @property
    def words(self) -> list[str]:
        return [str(self.status), self.marker, *([self.header] if self.header else [])]


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of a load. Times are seconds; `wrong` are answers that were not right, or did not come."""

    requests: int
    wrong: int
    seconds: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        return (self.requests - self.wrong) / self.seconds


@dataclass(frozen=True, slots=True)
class Generator:
    """How to make a load."""

    name: str
    seconds: int
    connections: int

    def load(self, port: int, requests: Sequence[bytes], expected: Expected) -> Measured:
        """Send these requests in turn, from the first again when all are sent.

        Ends the measurement where nothing is answered: a server that breaks off all is no quick one.
        """
        with tempfile.NamedTemporaryFile(prefix="latchkey-speed-") as file:
            file.writelines(b"%d\n%b" % (len(request), request) for request in requests)
            file.flush()
            command = self._command(port, [file.name, *expected.words])
            said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if said.returncode:
            raise SystemExit(f"{self.name}: {said.stderr}")
        found = Measured(**json.loads(said.stdout.splitlines()[-1]))
        if not found.requests:
            raise SystemExit(f"nothing was answered in {self.seconds} s")
        return found

    def _command(self, port: int, words: Sequence[str]) -> list[str]:
        url, seconds, connections = f"http://127.0.0.1:{port}", str(self.seconds), str(self.connections)
        if self.name == "wrk":
            wrk = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
            return [*wrk, "-s", str(SCRIPT), url, "--", *words]
        return [sys.executable, "-m", "benchmarks.speed.generator", str(port), seconds, connections, *words]


def usual_generator() -> str:
    return GENERATORS[0] if shutil.which("wrk") else GENERATORS[1]
