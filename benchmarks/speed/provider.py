"""python -m benchmarks.speed.provider: a provider that costs little, and answers after as long as it is told.

It stands in for the token endpoint and the account of every provider whose token answers are those of RFC
6749, section 5.1. Each answer tells other tokens; each account is another one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence

import psutil

from .houses import seconds_of
from .load import ROOT

LIFE = 3600  # seconds that a token lives
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


class StandIn:
    """The stand-in as a process. `delay` is in seconds."""

    def __init__(self, delay: float = 0.0) -> None:
        command = [sys.executable, "-m", "benchmarks.speed.provider", "--delay", str(delay)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()

    def settings(self, providers: Sequence[str]) -> dict[str, str]:
        """Return the settings that put it in these providers' place. Browsers are sent to the real ones."""
        found: dict[str, str] = {}
        for name in providers:
            own = {"CLIENT_ID": "speed", "CLIENT_SECRET": "made up", "TOKEN_URL": f"{self.url}/token"}
            own["USERINFO_URL"] = f"{self.url}/me"
            found |= {f"{name.upper()}_{key}": value for key, value in own.items()}
        return found

    def cpu(self) -> float:
        """Return the seconds of CPU that it has used."""
        return seconds_of(psutil.Process(self._process.pid))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        if self._process.stdout is not None:
            self._process.stdout.close()


class Conversation(asyncio.Protocol):
    """One request, one answer, and the end of the connection."""

    def __init__(self, delay: float) -> None:
        self._delay, self._came = delay, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._out = transport

    def data_received(self, data: bytes) -> None:
        self._came += data
        head, whole, body = self._came.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if whole and len(body) >= (int(length[1]) if length else 0):
            asyncio.get_running_loop().call_later(self._delay, self._answer, head.startswith(b"POST"))

    def _answer(self, is_token: bool) -> None:
        body = json.dumps(tokens() if is_token else account()).encode()
        head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
        self._out.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        self._out.close()


def tokens() -> Mapping[str, object]:
    access, refresh = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    return {
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": LIFE,
        "refresh_token": refresh,
    }


def account() -> Mapping[str, object]:
    name = secrets.token_hex(8)
    return {"id": name, "sub": name, "login": name, "display_name": name, "username": name}


async def serve(delay: float) -> None:
    listening = await asyncio.get_running_loop().create_server(
        lambda: Conversation(delay), "127.0.0.1", 0, backlog=1024
    )
    print(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", flush=True)
    await listening.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A provider that answers after this many seconds.")
    parser.add_argument("--delay", type=float, default=0.0)
    asyncio.run(serve(parser.parse_args().delay))
