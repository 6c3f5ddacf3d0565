"""The log: each line is JSON, tells who and what, and holds no query, ticket or value of an exception."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import create_engine, text

from tests.support.databases import ROOT, PostgresqlDatabases, SqliteDatabases
from tests.support.processes import Gunicorn, gunicorn, only, run
from tests.support.settings import base_settings

CANARY = "cAnArY-3f1b9d7e"
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
ACCESS = [
    *("time", "level", "logger", "event"),
    *("method", "path", "status", "bytes", "ms", "address", "agent", "request_id", "actor"),
]

LOUD = """
import logs
logs.configure()
for name in ("sqlalchemy.engine.Engine", "sqlalchemy.pool.impl", "psycopg", "redis.client"):
    logging.getLogger(name).info("rows")
logging.getLogger("a").debug("said")
"""


def logged(code: str) -> list[dict[str, Any]]:
    """Run this in a process that logs as ours do; return its lines."""
    done = run(
        "-c", f"import logging, logs\nlogs.configure()\nlog = logging.getLogger('a.b')\n{code}", environ={}
    )
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


@pytest.fixture(scope="module")
def server(sqlite: SqliteDatabases) -> Iterator[Gunicorn]:
    with gunicorn({**base_settings(), "DATABASE_URL": sqlite.new()}) as started:
        started.wait_for_answer()
        yield started


def access_line(server: Gunicorn, answer: requests.Response) -> dict[str, Any]:
    """Wait for the line of a request that was answered: it is written afterwards."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        for line in server.lines("request"):
            if line.get("request_id") == answer.headers["X-Request-Id"]:
                return line
    pytest.fail("the request left no line")


def send(server: Gunicorn, raw: bytes) -> None:
    """Send these bytes, and wait until the server has had enough of them."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


def test_a_line_tells_when_how_bad_who_and_what() -> None:
    (line,) = logged("log.warning('%s was %r', 'it', 1)")
    assert re.fullmatch(MOMENT, line.pop("time"))
    assert line == {"level": "warning", "logger": "a.b", "event": "it was 1"}


def test_a_line_tells_in_which_request_it_was_said() -> None:
    (line,) = logged("logs.bind(request_id='1', actor='user:1', address='::1'); log.error('it')")
    assert (line["request_id"], line["actor"], line["address"]) == ("1", "user:1", "::1")


def test_what_is_said_stays_on_its_line() -> None:
    injected = 'x\r\n{"level": "critical"}\x1b[31m\u2028\ud800 é'
    (line,) = logged(f"log.error('%s', {injected!r})")
    assert line["event"] == injected


@pytest.mark.parametrize(
    "said",
    [
        f"GET /a?token={CANARY} HTTP/1.1",
        f"GET /a?x='&token={CANARY}",
        f"GET /a?x=y z\n&token={CANARY}",
        f"http://localhost/connect/{CANARY}/confirm",
        f"/connect/{CANARY}?x",
    ],
)
def test_no_query_and_no_ticket_is_said(said: str) -> None:
    (line,) = logged(f"log.error('asked for %s', {said!r})")
    assert CANARY not in json.dumps(line) and "[redacted]" in line["event"]


def test_nobody_fills_the_disk_with_one_line() -> None:
    (line,) = logged("log.error('x' * 100_000)")
    assert len(line["event"]) == 1000


def test_an_exception_is_told_by_its_type_and_its_calls() -> None:
    lines = logged(
        f"""
def inner(secret):
    int(secret)
def outer():
    try:
        inner('{CANARY}')
    except ValueError as error:
        raise RuntimeError('{CANARY}') from error
try:
    outer()
except RuntimeError as error:
    log.error('unhandled', exc_info=error)
    log.exception('failed: %s', error)
"""
    )
    for line in lines:
        assert CANARY not in json.dumps(line)
        told = line["exception"]
        assert told["type"] == "builtins.RuntimeError" and told["cause"]["type"] == "builtins.ValueError"
        assert [call.partition(" ")[2] for call in told["stack"]] == ["<module>", "outer"]
        assert told["cause"]["stack"][-1] == "<string>:6 inner"
    assert lines[1]["event"] == "failed: RuntimeError"


def test_calls_without_end_are_not_told_without_end() -> None:
    (line,) = logged(
        "def deeper(n):\n    deeper(n + 1)\n"
        "try:\n    deeper(0)\nexcept RecursionError as error:\n    log.error('it', exc_info=error)"
    )
    assert line["exception"]["type"] == "builtins.RecursionError" and len(line["exception"]["stack"]) == 40


@pytest.mark.parametrize(
    "code",
    [
        f"raise ValueError('{CANARY}')",
        f"import threading; t = threading.Thread(target=int, args=['{CANARY}']); t.start(); t.join()",
        f"class A:\n    def __del__(self):\n        int('{CANARY}')\nA()",
    ],
    ids=["process", "thread", "destructor"],
)
def test_what_nobody_catches_is_told_like_the_rest(code: str) -> None:
    (line,) = logged(code)
    assert (line["level"], line["event"], line["exception"]["type"]) == (
        "critical",
        "unhandled",
        "builtins.ValueError",
    )
    assert CANARY not in json.dumps(line)


def test_a_thread_that_only_ends_is_not_told() -> None:
    assert logged("import sys, threading; t = threading.Thread(target=sys.exit); t.start(); t.join()") == []


def test_warnings_and_what_cannot_be_written_are_no_text_beside_the_log() -> None:
    (line,) = logged("import warnings; warnings.warn('old'); log.error('%d', 'no number')")
    assert line["logger"] == "py.warnings" and "old" in line["event"]


def test_the_level_is_info_unless_it_was_set_to_more() -> None:
    said = "log.debug('debug'); log.info('info')"
    assert [line["event"] for line in logged(said)] == ["info"]
    done = run("-c", f"import logging; logging.basicConfig(level=10)\n{LOUD}", environ={})
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["said"]


def test_an_access_line_tells_the_path_and_nothing_beside_it(server: Gunicorn) -> None:
    headers = {"User-Agent": f"agent \xff ?token={CANARY}", "Referer": f"http://a/?token={CANARY}"}
    answer = server.get(f"/api/connections/gmail?token={CANARY}", headers=headers)
    line = access_line(server, answer)
    assert list(line) == ACCESS and re.fullmatch(MOMENT, line["time"])
    assert (line["level"], line["logger"], line["event"]) == ("info", "gunicorn.access", "request")
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/connections/gmail", 401)
    assert line["request_id"] == answer.headers["X-Request-Id"] and line["address"] == "127.0.0.1"
    assert line["actor"] == "anonymous" and line["bytes"] == len(answer.content) and 0 <= line["ms"] < 5000
    assert line["agent"] == "agent ÿ ?[redacted]"
    assert CANARY not in server.log()


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (f"/a%0d%0aInjected%1b[31m%3Ftoken={CANARY}", "/a\r\nInjected\x1b[31m?[redacted]"),
        ("/api/users/%D8%B1%D8%B6%D8%A7%FF/x", "/api/users/رضا\ufffd/x"),
        (f"/connect/{CANARY}", "/connect/[redacted]"),
        ("/" + "a" * 5000, "/" + "a" * 999),
    ],
    ids=["line feeds", "Persian", "ticket", "long"],
)
def test_a_path_is_one_text_on_one_line(server: Gunicorn, sent: str, told: str) -> None:
    send(server, f"GET {sent} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert server.lines("request")[-1]["path"] == told
    assert CANARY not in server.log() and server.said() == set()


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (f"GET /a?x=y z&token={CANARY} HTTP/1.1\r\n\r\n", "InvalidHTTPVersion"),
        (f'{{"password": "{CANARY}"}}\r\n\r\n', "InvalidRequestLine"),
        (f"GET / HTTP/{CANARY}\r\nHost: localhost\r\n\r\n", "InvalidHTTPVersion"),
        (f"GET / HTTP/1.1\r\nAuthorization Bearer {CANARY}\r\n\r\n", "InvalidHeader"),
        (f"GET / HTTP/1.1\r\nAuthorization {CANARY}: x\r\n\r\n", "InvalidHeaderName"),
        (f"GET / HTTP/1.1\r\nA: b\r\n {CANARY}\r\n\r\n", "ObsoleteFolding"),
        (f"GET /?{CANARY}{'a' * 9000} HTTP/1.1\r\n\r\n", "LimitRequestLine"),
    ],
    ids=["query with a space", "body", "version", "no colon", "name", "folded", "long"],
)
def test_of_a_request_that_makes_no_sense_only_the_kind_is_told(
    server: Gunicorn, raw: str, kind: str
) -> None:
    for _ in range(12):  # whichever thread takes it, it has just served a request that went well
        server.get("/healthz")
    send(server, raw.encode())
    line = [line for line in server.lines() if "Invalid" in line["event"]][-1]
    assert line["event"] == f"Invalid request from ip=127.0.0.1: {kind}"
    assert "request_id" not in line and "actor" not in line, "they belong to the request before"
    assert CANARY not in server.log() and server.said() == set()


def test_every_line_of_gunicorn_is_json_from_its_first_to_its_last(sqlite: SqliteDatabases) -> None:
    with gunicorn({**base_settings(), "DATABASE_URL": sqlite.new()}) as server:
        server.wait_for_answer()
        server.process.terminate()
        assert server.wait_for_end() == 0
        events = [line["event"] for line in server.lines()]
        assert events[0].startswith("Starting gunicorn") and events[-1].startswith("Shutting down")
        assert server.said() == set()


def refuse_connections(url: str) -> None:
    """Have the database refuse every new connection, and say in its words what the row would have been."""
    refusing = "ALTER TABLE connections ADD CONSTRAINT refused CHECK (name = '')"
    if url.startswith("sqlite"):
        refusing = (
            f"CREATE TRIGGER refused BEFORE INSERT ON connections BEGIN SELECT RAISE(ABORT, '{CANARY}'); END"
        )
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(refusing))
    engine.dispose()


def test_what_is_not_foreseen_is_told_without_the_row_that_the_database_quotes(
    databases: SqliteDatabases | PostgresqlDatabases,
) -> None:
    url = databases.new()
    refuse_connections(url)
    person = {"username": "u", "email": "u@example.com", "password": "long enough"}
    added = {"name": CANARY, "type": "custom", "data": {"visible": CANARY}}
    with gunicorn({**base_settings(), "DATABASE_URL": url}) as server:
        server.wait_for_answer()
        token = requests.post(f"{server.url}/api/auth/register", json=person, timeout=10).json()[
            "access_token"
        ]
        answer = requests.post(
            f"{server.url}/api/users/u/add/connection",
            json=added,
            headers={"Authorization": token},
            timeout=10,
        )
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        (line,) = server.lines("unhandled")
        assert line["exception"]["type"] == "sqlalchemy.exc.IntegrityError"
        assert any(call.startswith("app/services/storing.py:") for call in line["exception"]["stack"])
        assert line["request_id"] == answer.headers["X-Request-Id"] and line["level"] == "error"
        assert CANARY not in server.log() and server.said() == set()


def test_the_worker_says_json_too(tmp_path: Path) -> None:
    (tmp_path / "volume").write_text("not mounted yet")
    environ = {**base_settings(), "DATABASE_URL": f"sqlite:///{tmp_path / 'volume' / 'x.db'}"}
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "worker"]
    with subprocess.Popen(command, cwd=ROOT, env=only(environ), stderr=subprocess.PIPE, text=True) as worker:
        line = json.loads(worker.stderr.readline() if worker.stderr else "")
        worker.terminate()
        assert worker.wait(20) == 0
    assert (line["level"], line["logger"]) == ("error", "app.cli.worker")
    assert line["event"].startswith("the database does not answer")
