"""A user's whole life against a running service, every secret that plays a part in it, and where to look."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

import requests
from sqlalchemy import MetaData, create_engine, select

from sandbox.driver import consent

SEARCHED = ("secrets", "places", "bytes", "hits")


class Scenario:
    """`secrets` are those that must not be found, `answers` what callers saw that asked for none."""

    def __init__(self, url: str, make_due: Callable[[], None]) -> None:
        self.url = url
        self.make_due = make_due
        self.browser = requests.Session()
        self.browser.headers["Connection"] = "close"  # nothing stays open when the test has ended
        self.secrets = {
            kind: f"canary-{kind}-{secrets.token_hex(12)}" for kind in ("password", "ssh", "legacy")
        }
        self.secrets["sshKey"] = f"-----BEGIN KEY-----\r\n{secrets.token_hex(40)}\r\n-----END KEY-----\n"
        self.name = f"user-{secrets.token_hex(4)}"
        self.answers: list[str] = []

    def call(self, method: str, path: str, *, shown: bool = False, **kwargs: object) -> requests.Response:
        """Call; keep the answer for the scan unless it is `shown` a secret on purpose."""
        url = path if path.startswith("http") else self.url + path
        answer = self.browser.request(method, url, allow_redirects=False, timeout=30, **kwargs)  # type: ignore[arg-type]
        if not shown:
            self.answers.append(answer.text)
        return answer

    def run(self) -> None:
        tokens = self._register()
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        self._store_secrets(headers)
        for name in ("gmail", "facebook", "github", "spotify", "discord"):
            self._connect(name, tokens["access_token"], headers)
        self.make_due()
        for name in ("gmail", "facebook", "spotify", "discord"):
            self.call("GET", f"/api/connections/{name}/token", shown=True, headers=headers)
        self.call("GET", f"/api/connections/github?token={tokens['access_token']}x")
        self.call("GET", f"/nowhere?token={tokens['access_token']}")
        self._open_ticket(headers)
        self.call("GET", "/api/connections", headers=headers)
        self.call("GET", "/api/audit", headers=headers)
        self.call("DELETE", "/api/connections/reset", headers=headers)
        self.call("GET", "/metrics")
        self.secrets |= {f"cookie {cookie.name}": str(cookie.value) for cookie in self.browser.cookies}

    def _register(self) -> Mapping[str, str]:
        body = {
            "username": self.name,
            "email": f"{self.name}@example.com",
            "password": self.secrets["password"],
        }
        tokens = self.call("POST", "/api/auth/register", shown=True, json=body).json()
        self.secrets |= {name: tokens[name] for name in ("access_token", "refresh_token")}
        self.call("POST", "/api/auth/login", json={**body, "password": self.secrets["ssh"]})
        return dict(tokens)

    def _store_secrets(self, headers: Mapping[str, str]) -> None:
        home = f"/api/users/{self.name}"
        data = {
            "host": "h",
            "username": "u",
            "password": self.secrets["ssh"],
            "sshKey": self.secrets["sshKey"],
        }
        added = {"name": "n", "type": "sshes", "data": data}
        path = f"{home}/add/connection"
        row = self.call("POST", path, shown=True, headers=headers, json=added).json()["id"]
        self.call("POST", path, headers=headers, json={**added, "data": {"host": self.secrets["ssh"]}})
        token = {"name": "t", "token_type": "git", "token": self.secrets["legacy"]}
        self.call("POST", f"{home}/connections/addtoken", headers=headers, json=token)
        self.call("GET", f"{home}/get/connections", headers=headers)
        self.call("GET", f"{home}/get/connection/{row}", shown=True, headers=headers)

    def _connect(self, name: str, token: str, headers: Mapping[str, str]) -> None:
        start = self.call("GET", f"/api/connections/{name}?token={token}")
        self.call("GET", consent(self.browser, start.headers["Location"]))
        start = self.call("GET", f"/api/connections/{name}?token={token}")
        state = start.headers["Location"].split("state=")[1].split("&")[0]
        self.call("GET", f"/api/connections/{name}/callback?code={self.secrets['legacy']}&state={state}")
        self.call("GET", f"/api/connections/{name}/token", shown=True, headers=headers)
        self.call("GET", f"/api/connections/{name}/status", headers=headers)
        self.call("POST", f"/api/connections/{name}/test", headers=headers)

    def _open_ticket(self, headers: Mapping[str, str]) -> None:
        """Ask for a connect page, and look at it: whoever has its address may still use it."""
        made = self.call("POST", "/api/connections/github/authorize", shown=True, headers=headers, json={})
        url = made.json()["connect_url"]
        self.secrets["ticket"] = url.rpartition("/")[2]
        assert self.call("GET", url, shown=True).status_code == 200

    def ask_with(self, key: str) -> None:
        """Ask as a program that acts for this user, and as one that puts its key where none belongs."""
        self.secrets["service key"] = key
        headers = {"Authorization": f"Bearer {key}", "X-On-Behalf-Of": self.name}
        assert self.call("GET", "/api/connections", headers=headers).status_code == 200
        self.call("GET", "/api/connections", headers={"Authorization": f"Bearer {key}x"})
        self.call("GET", f"/api/connections/github?token={key}")
        self.call("GET", "/nowhere", headers={"User-Agent": f"agent ?token={key}", "Referer": f"/?{key}"})

    def found_in(
        self, places: Mapping[str, bytes], report: Callable[[str, object], None]
    ) -> list[tuple[str, str]]:
        """Return which secret stands where, in any spelling. The secrets themselves are told to nobody.

        `report` is told how much was looked through, under the names of SEARCHED.
        """
        found = [
            (kind, place)
            for kind, secret in self.secrets.items()
            for place, content in places.items()
            if any(spelling in content for spelling in spellings(secret))
        ]
        extent = (len(self.secrets), len(places), sum(map(len, places.values())), len(found))
        for name, number in zip(SEARCHED, extent, strict=True):
            report(name, number)
        return found


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


def command_lines(root: int) -> dict[str, bytes]:
    """The command lines of a process and of all that it started, as `ps` shows them."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
    mine = {root}
    while more := {pid for pid, parent in parents.items() if parent in mine} - mine:
        mine |= more
    return {f"command line {pid}": Path(f"/proc/{pid}/cmdline").read_bytes() for pid in mine}


def tables(url: str) -> dict[str, bytes]:
    """Every value of every table, bytes as they are and the rest as text."""
    engine, found, known = create_engine(url), {}, MetaData()
    with engine.connect() as connection:
        known.reflect(connection)
        for table in known.sorted_tables:
            values = [value for row in connection.execute(select(table)) for value in row]
            found[f"table {table.name}"] = b"\n".join(
                bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
                for value in values
            )
    engine.dispose()
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
