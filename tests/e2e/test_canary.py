"""No secret in what a run leaves behind: its log at DEBUG, its files, its answers, its processes."""

from __future__ import annotations

import base64
import re
import secrets
import sqlite3
from pathlib import Path
from urllib.parse import quote

import requests

from sandbox.driver import Control, consent
from tests.e2e.conftest import Running

SECRET_FILES = {
    "keys.env",
    "sandbox.secret",
    "sandbox.json",
}  # where development keeps keys, and the providers


class Scenario:
    """A user's whole life, and every secret that played a part in it."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.browser = requests.Session()
        self.secrets = {
            kind: f"canary-{kind}-{secrets.token_hex(12)}" for kind in ("password", "ssh", "legacy")
        }
        self.secrets["sshKey"] = f"-----BEGIN KEY-----\r\n{secrets.token_hex(40)}\r\n-----END KEY-----\n"
        self.name = f"user-{secrets.token_hex(4)}"
        self.answers: list[str] = []

    def call(self, method: str, path: str, *, shown: bool = False, **kwargs: object) -> requests.Response:
        """Call; keep the answer for the scan unless it is `shown` a secret on purpose."""
        url = path if path.startswith("http") else self.running.url + path
        answer = self.browser.request(method, url, allow_redirects=False, timeout=30, **kwargs)  # type: ignore[arg-type]
        if not shown:
            self.answers.append(answer.text)
        return answer

    def run(self) -> None:
        body = {
            "username": self.name,
            "email": f"{self.name}@example.com",
            "password": self.secrets["password"],
        }
        tokens = self.call("POST", "/api/auth/register", shown=True, json=body).json()
        self.secrets |= {name: tokens[name] for name in ("access_token", "refresh_token")}
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        self.call("POST", "/api/auth/login", json={**body, "password": self.secrets["ssh"]})
        home = f"/api/users/{self.name}"
        data = {
            "host": "h",
            "username": "u",
            "password": self.secrets["ssh"],
            "sshKey": self.secrets["sshKey"],
        }
        added = {"name": "n", "type": "sshes", "data": data}
        row = self.call("POST", f"{home}/add/connection", shown=True, headers=headers, json=added).json()[
            "id"
        ]
        self.call(
            "POST",
            f"{home}/add/connection",
            headers=headers,
            json={**added, "data": {"host": self.secrets["ssh"]}},
        )
        self.call(
            "POST",
            f"{home}/connections/addtoken",
            headers=headers,
            json={"name": "t", "token_type": "git", "token": self.secrets["legacy"]},
        )
        self.call("GET", f"{home}/get/connections", headers=headers)
        self.call("GET", f"{home}/get/connection/{row}", shown=True, headers=headers)
        for name in ("gmail", "facebook", "github", "spotify", "discord"):
            start = self.call("GET", f"/api/connections/{name}?token={tokens['access_token']}")
            self.call("GET", consent(self.browser, start.headers["Location"]))
            start = self.call("GET", f"/api/connections/{name}?token={tokens['access_token']}")
            state = start.headers["Location"].split("state=")[1].split("&")[0]
            self.call("GET", f"/api/connections/{name}/callback?code={self.secrets['legacy']}&state={state}")
            self.call("GET", f"/api/connections/{name}/token", shown=True, headers=headers)
            self.call("GET", f"/api/connections/{name}/status", headers=headers)
            self.call("POST", f"/api/connections/{name}/test", headers=headers)
        self.renew_all()
        for name in ("gmail", "facebook", "spotify", "discord"):
            self.call("GET", f"/api/connections/{name}/token", shown=True, headers=headers)
        self.call("GET", f"/api/connections/github?token={tokens['access_token']}x")
        self.call("GET", f"/nowhere?token={tokens['access_token']}")
        self.call("GET", "/api/connections", headers=headers)
        self.call("DELETE", "/api/connections/reset", headers=headers)
        self.secrets |= {f"cookie {cookie.name}": str(cookie.value) for cookie in self.browser.cookies}

    def renew_all(self) -> None:
        """Make every token due, where it is kept, so that each is renewed when it is asked for next."""
        with sqlite3.connect(self.running.folder / "instance" / "latchkey.db", timeout=10) as database:
            database.execute("UPDATE grants SET token_at = datetime('now', '-1 day')")
            database.execute(
                "UPDATE grants SET expires_at = datetime('now', '+5 seconds'), due_at = token_at"
            )
        database.close()


def spellings(secret: str) -> set[bytes]:
    """The secret as it is, and as base64, hex and URL-encoded text."""
    raw = secret.encode()
    shifted = {base64.b64encode(b"x" * n + raw)[4 * (n > 0) : -4].rstrip(b"=") for n in range(3)}
    return {
        raw,
        raw.hex().encode(),
        quote(secret, safe="").encode(),
        *(part for part in shifted if len(part) > 8),
    }


def test_nothing_is_left_behind(running: Running) -> None:
    scenario = Scenario(running)
    scenario.run()
    output = running.log.read_text()
    sandbox = Control(sandbox_address(running))
    kept = running.folder / "instance"
    scenario.secrets |= dict(line.split("=", 1) for line in (kept / "keys.env").read_text().splitlines())
    scenario.secrets["client secret"] = (kept / "sandbox.secret").read_text()
    scenario.secrets |= {f"issued {n}": token for n, token in enumerate(sandbox.issued())}
    places = {"log": output.encode(), "answers": "\n".join(scenario.answers).encode()}
    files = [file for file in kept.rglob("*") if file.is_file() and file.name not in SECRET_FILES]
    places |= {file.name: file.read_bytes() for file in files}
    assert not list(kept.glob("spool/*.answer")), "what was received is stored"
    places |= {f"command line {pid}": text for pid, text in command_lines(running).items()}
    assert "DEBUG" in output, "the log is not at its most talkative"
    assert len(scenario.secrets) > 20 and len(output) > 2000 and len(places) > 5
    found = [
        (kind, place)
        for kind, secret in scenario.secrets.items()
        for place, content in places.items()
        if any(spelling in content for spelling in spellings(secret))
    ]
    assert not found


def test_the_log_has_no_query(running: Running) -> None:
    requests.get(
        f"{running.url}/api/connections/gmail?token=canary",
        headers={"Referer": "http://a/?token=canary"},
        timeout=5,
    )
    output = running.log.read_text()
    assert (
        "/api/connections/gmail" in output
        and "canary" not in output
        and "?" not in re.sub(r"\?\[redacted]", "", output)
    )


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


def command_lines(running: Running) -> dict[int, bytes]:
    """The command lines of the service's own processes, as `ps` shows them."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
    mine = {running.process.pid}
    while more := {pid for pid, parent in parents.items() if parent in mine} - mine:
        mine |= more
    return {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in mine}
