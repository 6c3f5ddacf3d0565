"""Every block of docs/clients.md and of README, run as it stands: only the addresses are filled in."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask
from playwright.sync_api import Page, sync_playwright
from werkzeug.serving import make_server

from tests.conftest import start
from tests.e2e.conftest import Running
from tests.support.browser import Agent
from tests.support.chromium import CHROMIUM, FLAGS, NEEDS_CHROMIUM
from tests.support.databases import SqliteDatabases
from tests.support.documents import Block, blocks
from tests.support.processes import only
from tests.support.providers import Sandbox, Watch
from tests.support.service import Service, User, free_port
from tests.support.service_keys import make_key
from tests.support.serving import Serving
from tests.support.shell import Shell

LATCHKEY, APPLICATION = "http://localhost:8080", "https://app.example.com"
CLIENTS, README = blocks("docs/clients.md"), blocks("README.md")
CONNECTING = ("Authorize", "The start route", "The access URL")
WORKER = "The token, from a worker"
THREE_WAYS = "Three ways to connect an account"

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="left out: no curl on this machine")


@dataclass
class House:
    """A service, an application's origin that it trusts, a user of both, and a worker's key."""

    service: Service
    application: str
    user: User
    key: str

    @property
    def environ(self) -> dict[str, str]:
        return only({"TOKEN": self.user.token, "KEY": self.key})

    def filled_in(self, code: str) -> str:
        return code.replace(LATCHKEY, self.service.url).replace(APPLICATION, self.application)

    def is_connected(self) -> bool:
        return "access_token" in self.user.call("GET", "/api/connections/github/token").json()


class Pages:
    """The application's own server: its front page runs a script, any other is empty."""

    def __init__(self, port: int) -> None:
        self.script = ""
        app = Flask(__name__)
        app.add_url_rule("/", view_func=self.front)
        app.add_url_rule("/settings", "settings", lambda: "")
        self.serving = Serving(make_server("127.0.0.1", port, app, threaded=True))

    def front(self) -> str:
        return f'<!doctype html><script type="module">{self.script}</script>'


@pytest.fixture(scope="module")
def whole(sqlite: SqliteDatabases, sandbox: Sandbox) -> Iterator[House]:
    application = f"http://localhost:{free_port()}"
    origins = {"CORS_ORIGINS": application, "RETURN_TO_ORIGINS": application}
    service = start(sqlite.new(), sandbox, host="localhost", **origins)
    key = make_key(service, scopes=("read_secrets", "write"))
    yield House(service, application, service.user("reza"), key.secret)
    service.close()


@pytest.fixture
def house(whole: House) -> Iterator[House]:
    yield whole
    whole.user.call("DELETE", "/api/connections/reset")


def printed(house: House, block: Block) -> str:
    """Run a block of bash or Python; return what it printed."""
    command = ["bash", "-euo", "pipefail"] if block.language == "bash" else [sys.executable, "-W", "error"]
    code = house.filled_in(block.code)
    done = subprocess.run(
        [*command, "-c", code], env=house.environ, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def open_to_the_end(agent: Agent, url: str) -> str:
    """Open a URL as a browser does, press what leads on, allow what is asked; return where it ends."""
    for _ in range(8):
        if "/github/login/oauth/authorize" in url:
            url = agent.consent(url)
        elif not url.startswith(agent.service.url):
            return url
        answer = agent.call("GET", url)
        if '<form method="post"' in answer.text:
            answer = agent.submit(answer)
        if not answer.is_redirect:
            return url
        url = answer.headers["Location"]
    raise AssertionError(f"no end at {url}")


def of(heading: str, language: str) -> Block:
    return next(block for block in CLIENTS if (block.heading, block.language) == (heading, language))


def test_each_way_is_shown_to_each_client_and_nothing_else_stands_there() -> None:
    shown = [(block.heading, block.language) for block in CLIENTS]
    wanted = [(way, language) for way in CONNECTING for language in ("bash", "python", "javascript")]
    assert shown == [*wanted, (WORKER, "bash"), (WORKER, "python")]


@needs_curl
@pytest.mark.parametrize("language", ["bash", "python"])
@pytest.mark.parametrize("way", CONNECTING)
def test_a_program_prints_what_the_browser_opens(house: House, way: str, language: str) -> None:
    block = of(way, language)
    opened = printed(house, block).split()[-1]
    assert not house.is_connected()
    end = open_to_the_end(Agent(house.service, pages=True), opened)
    assert house.is_connected()
    assert end.startswith(f"{house.application}/settings?connected=github") == ("return_to" in block.code)


@needs_curl
@pytest.mark.parametrize("language", ["bash", "python"])
def test_a_worker_gets_a_token_that_lives(house: House, sandbox: Sandbox, language: str) -> None:
    watch = Watch(sandbox.control)
    Agent(house.service).connect(house.user, "github")
    told = printed(house, of(WORKER, language))
    tokens = re.findall(r"gho_\w+", told)
    assert len(tokens) == 1 and watch.states("github") >= {"live"}
    assert sandbox.control.token_state("github", tokens[0]) == "live"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Page]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        page = started.new_page()
        page.set_default_timeout(15_000)
        yield page
        started.close()


@pytest.fixture(scope="module")
def pages(whole: House) -> Iterator[Pages]:
    started = Pages(urlsplit(whole.application).port or 0)
    yield started
    started.serving.close()


def open_as_user(chromium: Page, house: House) -> None:
    """Open the application's front page, with the user's token where its script looks for it; then allow."""
    chromium.goto(f"{house.application}/settings")
    chromium.evaluate("token => sessionStorage.setItem('token', token)", house.user.token)
    chromium.goto(f"{house.application}/", wait_until="commit")
    chromium.get_by_role("button", name="Allow").click()


@NEEDS_CHROMIUM
@pytest.mark.parametrize("way", CONNECTING)
def test_a_page_sends_its_browser(house: House, pages: Pages, chromium: Page, way: str) -> None:
    pages.script = house.filled_in(of(way, "javascript").code)
    open_as_user(chromium, house)
    if way == "The access URL":
        chromium.get_by_role("button", name="Connect", exact=True).click()
        chromium.wait_for_url(f"{house.service.url}/**")
    else:
        chromium.wait_for_url(f"{house.application}/settings?connected=github")
    assert house.is_connected()


@pytest.fixture
def clone(running: Running) -> Path:
    """The folder of the running copy, with the environment that `make run` would have made there."""
    if not (running.folder / ".venv").exists():
        (running.folder / ".venv").symlink_to(sys.prefix)
    return running.folder


@needs_curl
def test_the_first_five_minutes_of_the_readme(running: Running, clone: Path) -> None:
    """In the order of the document, in one shell. Between two blocks the reader opens `connect_url`."""
    told = [block for block in README if block.heading == "The first five minutes"]
    printed, agent = "", Agent(running, pages=True)
    with Shell(clone, only({})) as shell:
        for block in told:
            assert block.language == "bash"
            answers = shell.run(block.code.replace("localhost:8080", running.url.removeprefix("http://")))
            for url in re.findall(r'"connect_url": ?"([^"]+)"', answers):
                open_to_the_end(agent, url)
            assert '"error"' not in answers, answers
            printed += answers
    assert len(re.findall(r'"access_token": ?"gho_', printed)) == 1
    assert '"--------"' in printed and "s3cret" in printed


def of_readme(language: str) -> Block:
    [found] = [one for one in README if (one.heading, one.language) == (THREE_WAYS, language)]
    return found


@needs_curl
@pytest.mark.parametrize("language", ["bash", "python"])
@pytest.mark.parametrize("mark", ["/connect/", "?token=", "/login/oauth/authorize?"])
def test_a_program_of_the_readme_prints_each_way(house: House, mark: str, language: str) -> None:
    urls = re.findall(r"https?://[^\s\"]+", printed(house, of_readme(language)))
    opened = [url for url in urls if mark in url][-1]
    open_to_the_end(Agent(house.service, pages=True), opened)
    assert house.is_connected()
    if language == "python":
        assert re.search(r"^gho_\w+$", printed(house, of_readme(language)), re.MULTILINE)


@NEEDS_CHROMIUM
@pytest.mark.parametrize("way", ["authorize", "start", "access"])
def test_a_page_of_the_readme_goes_each_way(house: House, pages: Pages, chromium: Page, way: str) -> None:
    pages.script = house.filled_in(of_readme("javascript").code) + f"\nways.{way}();"
    open_as_user(chromium, house)
    if way == "access":
        chromium.get_by_role("button", name="Connect", exact=True).click()
    chromium.wait_for_url(f"{house.service.url}/**")
    assert house.is_connected()


def test_every_block_of_the_readme_is_run_or_drawn() -> None:
    shown = {(block.heading, block.language) for block in README}
    ways = {(THREE_WAYS, language) for language in ("bash", "python", "javascript")}
    assert shown == {("The first five minutes", "bash"), ("Three flows", "mermaid"), *ways}
