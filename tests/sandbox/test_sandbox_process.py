"""The process: its address, its files, its settings, its manners."""

import contextlib
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from sandbox.driver import Application, Control
from sandbox.settings import ENDPOINTS, settings, settings_for

Start = Callable[..., contextlib.AbstractContextManager[str]]
ROOT = Path(__file__).parents[2]


def test_it_listens_on_loopback_only() -> None:
    for host in ("0.0.0.0", "192.0.2.1", "::", "example.com"):
        command = [sys.executable, "-m", "sandbox", "--port", "0", "--host", host]
        refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10, check=False)
        assert refused.returncode == 1
        assert "loopback only" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1


def test_the_state_survives_a_restart(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    with start("--state", str(path)) as url:
        before = Application(Control(url), "github")
        before.control.switch("github", already_gone_status=422)
        before.control.add_account("github", "linus", login="tux")
        before.control.register_client("github", "second", "its-secret", ["https://app.example/cb"])
        before.control.age("github", 5)
        reply = before.connect("linus", scope="repo offline_access")
        code = before.callback()["code"]
        page = before.session.get(before.authorize_url(), timeout=5).text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with start("--state", str(path)) as url:
        after = Application(Control(url), "github", verifier=before.verifier)
        assert after.secret == before.secret
        assert after.control.switches("github")["already_gone_status"] == 422
        assert after.identity(reply["access_token"]).json()["login"] == "tux"
        assert after.refresh(reply["refresh_token"]).json()["access_token"]
        assert after.exchange(code).json()["access_token"]
        assert reply["access_token"] in after.control.issued()
        assert "second" in [client["client_id"] for client in after.control.clients("github")]
        form = {"request": page.split('name="request" value="')[1].split('"')[0], "decision": "deny"}
        consented = requests.post(f"{url}/github/consent", form, allow_redirects=False, timeout=5)
        assert consented.status_code == 302
        assert after.control.log("google") == []


def test_a_file_that_is_no_state_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text("[1, 2")
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--state", str(path)]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10, check=False)
    assert (refused.returncode, refused.stderr) == (
        1,
        f"{path} is not a sandbox state. Remove it to start afresh.\n",
    )


def test_a_secret_from_a_file_wins(start: Start, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from-the-file\n")
    state = tmp_path / "state.json"
    with start("--state", str(state)):
        pass
    with start("--client-secret-file", str(secret), "--state", str(state)) as url:
        assert Control(url).clients("spotify")[0]["client_secret"] == "from-the-file"


@pytest.mark.parametrize(
    ("public_url", "provider", "expected"),
    [
        (
            "http://localhost:9000",
            "google",
            [
                "http://localhost:9000/api/connections/gmail/callback",
                "http://localhost:9000/callback",
                "http://127.0.0.1:9000/api/connections/gmail/callback",
                "http://127.0.0.1:9000/callback",
            ],
        ),
        (
            "http://localhost:9000/",
            "spotify",
            ["http://127.0.0.1:9000/api/connections/spotify/callback", "http://127.0.0.1:9000/callback"],
        ),
        (
            "https://latchkey.example",
            "discord",
            [
                "https://latchkey.example/api/connections/discord/callback",
                "https://latchkey.example/callback",
            ],
        ),
    ],
)
def test_the_default_client_belongs_to_the_public_url(
    start: Start, public_url: str, provider: str, expected: list[str]
) -> None:
    with start("--public-url", public_url) as url:
        [client] = Control(url).clients(provider)
    assert (client["client_id"], client["redirect_uris"]) == (f"sandbox-{provider}", expected)


def test_it_stops_at_once_and_says_little() -> None:
    command = [sys.executable, "-m", "sandbox", "--port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("sandbox listening on http://127.0.0.1:")
    requests.get(line.split()[-1] + "/google/tokeninfo?access_token=secret", timeout=5)
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    rest, errors = process.communicate(timeout=5)
    assert (process.returncode, rest, errors) == (0, "", "")
    assert time.monotonic() - begun < 2


def test_the_settings_name_every_endpoint() -> None:
    merged = settings("http://127.0.0.1:8090/", "s")
    assert merged["GITHUB_REVOKE_URL"] == "http://127.0.0.1:8090/github/api/applications/{client_id}/grant"
    assert merged["FACEBOOK_REVOKE_URL"].endswith("/facebook/v26.0/{account_id}/permissions")
    assert merged["GOOGLE_ISSUER"] == "https://accounts.google.com"
    assert {name for name in merged if name.endswith("ISSUER")} == {"GOOGLE_ISSUER", "GITHUB_ISSUER"}
    assert "SPOTIFY_REVOKE_URL" not in merged
    assert all(settings_for(provider, "http://h", "s").items() for provider in ENDPOINTS)


def test_the_settings_import_nothing_of_the_sandbox() -> None:
    script = "import sys, sandbox.settings; print(sorted({'flask', 'requests'}.intersection(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_sandbox_knows_nothing_of_the_service() -> None:
    for path in (ROOT / "sandbox").rglob("*.py"):
        lines = path.read_text().splitlines()
        imports = [line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))]
        assert not {"app", "config"}.intersection(imports), path
