"""What gunicorn refuses before the application is asked is said in JSON too."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import Running


def exchange(running: Running, raw: bytes) -> tuple[int, dict[str, str], str]:
    """Send raw bytes; return status, headers and body."""
    with socket.create_connection(("127.0.0.1", urlsplit(running.url).port or 0), timeout=5) as connection:
        connection.sendall(raw)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
            if b"\r\n\r\n" in answer and answer.rstrip().endswith(b"}"):
                break
    head, _, body = answer.decode().partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(status.split()[1]), headers, body


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /api/connections/gmail/callback?code="
        + b"c" * 10_000
        + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /api/connections HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET /api/connections HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET /api/connections HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET http://evil.example/api/connections HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    ],
)
def test_refusals_are_json(running: Running, raw: bytes) -> None:
    status, headers, body = exchange(running, raw)
    assert 400 <= status < 506 and status != 500
    assert headers["content-type"] == "application/json"
    assert set(json.loads(body)) == {"error", "code"} and "evil" not in body


def test_a_long_token_in_the_query_is_read(running: Running) -> None:
    line = b"GET /api/connections/gmail?token=" + b"t" * 6000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    status, _, body = exchange(running, line)
    assert (status, json.loads(body)["error"]) == (401, "Invalid token")
