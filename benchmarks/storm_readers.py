"""Many readers of one URL, who all ask at the same moment; light enough to share a machine."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PATIENCE = 60.0  # seconds for one answer
NO_ANSWER = 0  # instead of a status, where none came


@dataclass(frozen=True, slots=True)
class Answer:
    """What one reader got: status, document, and how many seconds it waited."""

    status: int
    body: Mapping[str, Any] = field(repr=False)
    waited: float

    @property
    def access_token(self) -> str | None:
        return self.body["access_token"] if self.status == 200 else None

    @property
    def word(self) -> str:
        """The status, and the code of an error."""
        return f"{self.status or 'no answer'} {self.body.get('code', '')}".rstrip()


class Reader:
    """Opens a connection, and sends one GET over it when it is told to."""

    def __init__(self, port: int, request: bytes) -> None:
        self._port, self._request = port, request

    async def connect(self) -> None:
        self._in, self._out = await asyncio.open_connection("127.0.0.1", self._port)

    async def ask(self) -> Answer:
        began = time.perf_counter()
        try:
            status, body = await asyncio.wait_for(self._exchange(), PATIENCE)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            status, body = NO_ANSWER, {"code": type(error).__name__}
        waited = time.perf_counter() - began
        self._out.close()
        return Answer(status, body, waited)

    async def _exchange(self) -> tuple[int, Mapping[str, Any]]:
        self._out.write(self._request)
        head = (await self._in.readuntil(b"\r\n\r\n")).decode("latin1").lower()
        first, *lines = head.split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines if line)
        body = await self._in.readexactly(int(fields["content-length"]))
        return int(first.split()[1]), json.loads(body)


class Crowd:
    """Readers that all ask at the same moment."""

    def __init__(self, size: int, port: int, path: str, token: str) -> None:
        lines = (
            f"GET {path} HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            "Accept: application/json",
            "Connection: close",
            f"Authorization: Bearer {token}",
        )
        request = ("\r\n".join(lines) + "\r\n\r\n").encode("latin1")
        self._readers = [Reader(port, request) for _ in range(size)]

    async def gather(self) -> None:
        """Open a connection for each."""
        await asyncio.gather(*(reader.connect() for reader in self._readers))

    async def ask(self) -> list[Answer]:
        """Let all ask at once; return when all have their answers."""
        return list(await asyncio.gather(*(reader.ask() for reader in self._readers)))
