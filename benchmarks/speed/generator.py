"""python -m benchmarks.speed.generator: what load.lua does, where there is no wrk. Prints the same line."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from .load import Expected


class Crowd:
    """Connections that ask until it is time to end, each for itself."""

    def __init__(self, port: int, requests: Iterator[bytes], expected: Expected, seconds: float) -> None:
        self._port, self._requests, self._expected = port, requests, expected
        self._end = time.perf_counter() + seconds
        self.wrong, self.waited = 0, list[float]()

    async def ask(self) -> None:
        """Ask over one connection; a new one is made where it breaks off."""
        while time.perf_counter() < self._end:
            try:
                await self._ask_over(*await asyncio.open_connection("127.0.0.1", self._port))
            except (OSError, EOFError, ValueError):
                self.wrong += 1

    async def _ask_over(self, answers: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        try:
            while time.perf_counter() < self._end:
                began = time.perf_counter()
                out.write(next(self._requests))
                right, stays = self._look_at(*await exchange(answers))
                self.waited.append(time.perf_counter() - began)
                self.wrong += not right
                if not stays:
                    return
        finally:
            out.close()

    def _look_at(self, status: int, head: dict[str, str], body: str) -> tuple[bool, bool]:
        """Tell whether this is the right answer, and whether another may come over this connection."""
        text = body if self._expected.header is None else head.get(self._expected.header.lower(), "")
        right = status == self._expected.status and self._expected.marker in text
        return right, head.get("connection", "").lower() != "close"


async def exchange(answers: asyncio.StreamReader) -> tuple[int, dict[str, str], str]:
    first, *lines = (await answers.readuntil(b"\r\n\r\n")).decode("latin1").split("\r\n")
    pairs = (line.split(": ", 1) for line in lines if line)
    head = {name.lower(): value for name, value in pairs}
    body = await answers.readexactly(int(head["content-length"]))
    return int(first.split()[1]), head, body.decode()


def read(path: str) -> list[bytes]:
    """Read requests, each of which stands after a line with its length."""
    requests = []
    with Path(path).open("rb") as file:
        while length := file.readline():
            requests.append(file.read(int(length)))
    return requests


async def run(port: int, seconds: float, connections: int, path: str, expected: Expected) -> None:
    began = time.perf_counter()
    crowd = Crowd(port, itertools.cycle(read(path)), expected, seconds)
    await asyncio.gather(*(crowd.ask() for _ in range(connections)))
    found = {"requests": len(crowd.waited), "wrong": crowd.wrong, "seconds": time.perf_counter() - began}
    waited = sorted(crowd.waited) or [math.inf]
    for name, part in (("p50", 0.5), ("p99", 0.99)):
        found[name] = waited[max(0, math.ceil(len(waited) * part) - 1)]
    print(json.dumps(found))


if __name__ == "__main__":
    port, seconds, connections, path, status, marker, *header = sys.argv[1:]
    expected = Expected(int(status), marker, *header)
    asyncio.run(run(int(port), float(seconds), int(connections), path, expected))
