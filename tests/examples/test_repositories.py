"""The example as its README starts it: a user connects GitHub through it and sees the repositories."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.conftest import start
from tests.support.browser import Agent
from tests.support.databases import ROOT, SqliteDatabases
from tests.support.processes import only
from tests.support.providers import Sandbox
from tests.support.service import Service, User, free_port
from tests.support.service_keys import make_key

FOLDER = ROOT / "examples"
APP = FOLDER / "repositories/app.py"
README = FOLDER / "repositories/README.md"
EXAMPLES = sorted(FOLDER.rglob("*.py"))
SCOPES = ("read_secrets", "write")


@pytest.fixture(scope="module")
def home() -> str:
    """Where browsers reach the example."""
    return f"http://localhost:{free_port()}"


@pytest.fixture(scope="module")
def latchkey(sqlite: SqliteDatabases, sandbox: Sandbox, home: str) -> Iterator[Service]:
    started = start(sqlite.new(), sandbox, host="localhost", RETURN_TO_ORIGINS=home)
    yield started
    started.close()


@pytest.fixture(scope="module")
def example(latchkey: Service, sandbox: Sandbox, home: str) -> Iterator[str]:
    settings = {
        "LATCHKEY_URL": latchkey.url,
        "LATCHKEY_KEY": make_key(latchkey, scopes=SCOPES).secret,
        "GITHUB_API_URL": f"{sandbox.url}/github/api",
    }
    port = str(urlsplit(home).port)
    command = [sys.executable, "-m", "flask", "--app", str(APP), "run", "--port", port]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=ROOT, env=only(settings), **quiet)
    wait_until_it_answers(process, home)
    yield home
    process.terminate()
    process.wait(10)


def wait_until_it_answers(process: subprocess.Popen[bytes], url: str) -> None:
    for _ in range(200):
        assert process.poll() is None
        try:
            requests.get(url, timeout=5)
            return
        except requests.ConnectionError:
            time.sleep(0.1)  # nobody listens yet
    pytest.fail(f"nothing at {url}")


@pytest.fixture
def person(latchkey: Service, example: str) -> tuple[Agent, User]:
    """Somebody with a browser, who has signed in to the example."""
    agent, user = Agent(latchkey, pages=True), latchkey.user()
    signed_in = agent.call("POST", f"{example}/sign-in", data={"user": user.username})
    assert (signed_in.status_code, signed_in.headers["Location"]) == (303, "/")
    return agent, user


def connect(agent: Agent, example: str, **choices: object) -> requests.Response:
    """Press Connect, go on at Latchkey, answer the provider; return the page that one comes back to."""
    sent = agent.submit(agent.call("GET", example))
    page = agent.call("GET", sent.headers["Location"])
    assert "Connect GitHub?" in page.text
    callback = agent.consent(agent.submit(page).headers["Location"], **choices)
    back = agent.call("GET", callback)
    assert back.status_code == 303 and back.headers["Location"].startswith(f"{example}/?")
    return agent.call("GET", back.headers["Location"])


def test_the_repositories_are_listed_once_github_is_connected(
    person: tuple[Agent, User], example: str, sandbox: Sandbox
) -> None:
    agent, user = person
    before = agent.call("GET", example)
    assert "GitHub not connected" in before.text and "<li>" not in before.text
    sandbox.control.add_account("github", f"gh-{user.username}")
    page = connect(agent, example, account=f"gh-{user.username}")
    assert page.url.endswith("/?connected=github")
    listed = re.findall("<li>(.+?)</li>", page.text)
    assert listed and all(name.startswith(f"gh-{user.username}/") for name in listed)
    assert "Connect GitHub" not in page.text


def test_who_declines_may_try_again(person: tuple[Agent, User], example: str) -> None:
    agent, _ = person
    page = connect(agent, example, deny=True)
    assert page.url.endswith("/?error=oauth_error")
    assert "Connect GitHub" in page.text and "<li>" not in page.text


def test_who_removed_the_application_at_github_connects_again(
    person: tuple[Agent, User], example: str, sandbox: Sandbox
) -> None:
    agent, user = person
    sandbox.control.add_account("github", user.username)
    connect(agent, example, account=user.username)
    sandbox.control.revoke("github", user.username)
    page = agent.call("GET", example)
    assert page.status_code == 200 and "was this application removed there?" in page.text
    assert "<li>" in connect(agent, example, account=user.username).text


def test_the_readme_names_the_settings_that_are_read() -> None:
    read = set(re.findall(r'os\.environ(?:\.get\(|\[)"(\w+)"', APP.read_text("utf-8")))
    told = re.findall(r"^\| `(\w+)` \|", README.read_text("utf-8"), re.MULTILINE)
    assert read == set(told) and len(read) == 3
    assert all(scope in README.read_text("utf-8") for scope in SCOPES)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_is_no_part_of_the_service(path: Path) -> None:
    """What is shown to others runs without this repository."""
    ours = {
        found.name.removesuffix(".py") for found in ROOT.iterdir() if found.suffix == ".py" or found.is_dir()
    }
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        named += [node.module or "."] if isinstance(node, ast.ImportFrom) else []
        assert not {name.split(".")[0] for name in named} & ours
    assert len(path.read_text("utf-8").splitlines()) <= 70
