"""No secret in what a run leaves behind: its log at DEBUG, its files, its answers, its processes."""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import requests

from sandbox.driver import Control
from tests.e2e.conftest import Running
from tests.support.canary import Scenario, command_lines, files

PATIENCE = 5.0  # seconds

SECRET_FILES = {
    "keys.env",
    "sandbox.secret",
    "sandbox.json",
}  # where development keeps keys, and the providers


def make_due(running: Running) -> None:
    """Make every token due, where it is kept, so that each is renewed when it is asked for next."""
    with sqlite3.connect(running.folder / "instance" / "latchkey.db", timeout=10) as database:
        database.execute("UPDATE grants SET token_at = datetime('now', '-1 day')")
        database.execute("UPDATE grants SET expires_at = datetime('now', '+5 seconds'), due_at = token_at")
    database.close()


def comes_to_be_empty(spool: Path) -> bool:
    """Tell whether no answer stays there: the worker renews what is due meanwhile."""
    ends = time.monotonic() + PATIENCE
    while any(spool.glob("*.answer")):
        if time.monotonic() > ends:
            return False
        time.sleep(0.05)
    return True


def test_nothing_is_left_behind(running: Running, record_property: Callable[[str, object], None]) -> None:
    scenario = Scenario(running.url, lambda: make_due(running))
    scenario.run()
    output = running.log.read_text()
    sandbox = Control(sandbox_address(running))
    kept = running.folder / "instance"
    scenario.secrets |= dict(line.split("=", 1) for line in (kept / "keys.env").read_text().splitlines())
    scenario.secrets["client secret"] = (kept / "sandbox.secret").read_text()
    scenario.secrets |= {f"issued {n}": token for n, token in enumerate(sandbox.issued())}
    places = {"log": output.encode(), "answers": "\n".join(scenario.answers).encode()}
    places |= {name: content for name, content in files(kept).items() if name not in SECRET_FILES}
    assert comes_to_be_empty(kept / "spool"), "what was received is not stored"
    places |= command_lines(running.process.pid)
    assert '"level": "debug"' in output, "the log is not at its most talkative"
    assert len(scenario.secrets) > 20 and len(output) > 2000 and len(places) > 5
    assert scenario.found_in(places, record_property) == []


def test_the_log_has_no_query(running: Running) -> None:
    requests.get(
        f"{running.url}/api/connections/gmail?token=canary",
        headers={"Referer": "http://a/?token=canary"},
        timeout=5,
    )
    output = running.log.read_text()
    assert "/api/connections/gmail" in output and "canary" not in output
    assert "?" not in output.replace("?[redacted]", "")


def test_the_log_is_json(running: Running) -> None:
    """Whatever gunicorn, its workers and the worker say, in the middle of what run.py tells its user."""
    requests.get(f"{running.url}/healthz", timeout=5)
    lines = [json.loads(line) for line in running.log.read_text().splitlines() if line.startswith("{")]
    assert {"gunicorn.error", "gunicorn.access", "app.cli.worker"} <= {line["logger"] for line in lines}
    assert all({"time", "level", "logger", "event"} <= line.keys() for line in lines)


def sandbox_address(running: Running) -> str:
    """Find the sandbox by the log of what it was told to listen on: its pages say where they come from."""
    registered = requests.post(
        f"{running.url}/api/auth/register",
        json={
            "username": f"find-{secrets.token_hex(4)}",
            "email": f"{secrets.token_hex(4)}@example.com",
            "password": "x" * 12,
        },
        timeout=10,
    ).json()
    headers = {"Authorization": registered["access_token"]}
    start = requests.get(
        f"{running.url}/api/connections/github", headers=headers, allow_redirects=False, timeout=10
    )
    return start.headers["Location"].split("/github/")[0]
