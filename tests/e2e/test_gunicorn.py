"""What gunicorn refuses before the application is asked is said in JSON too."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import Running
from tests.support.processes import run
from tests.support.service import free_port


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


def test_a_refused_start_is_final_however_many_workers_refuse(tmp_path: Path) -> None:
    """With another exit status than 3, systemd would start it again and again."""
    (tmp_path / "refusing.py").write_text(
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "time.sleep(float(os.environ['AT']) + os.getpid() % 3 / 4 - time.time())\n"
        "sys.exit(3)\n"
    )
    options = ("-w", "4", "-b", f"127.0.0.1:{free_port()}", "--pythonpath", str(tmp_path))
    environ = {"AT": str(time.time() + 2)}
    ended = run("-m", "gunicorn", "-c", "gunicorn.conf.py", *options, "refusing:app", environ=environ)
    assert ended.returncode == 3, ended.stderr
    assert "unhandled" not in ended.stderr
