"""What a code has brought is on disk until it is stored: nothing stays alive that no row knows."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from app.extensions import db
from app.providers import provider_named
from app.services import ending, spooled
from app.spool import Entry
from tests.support.browser import Agent
from tests.support.providers import Sandbox
from tests.support.rows import tokens_of
from tests.support.service import Service, StartService

NAMES = ("gmail", "facebook", "github", "spotify", "discord")
PROVIDERS = {"gmail": "google"}


@pytest.fixture
def own(start_service: StartService, tmp_path: Path) -> Service:
    """A service with a spool of its own."""
    return start_service(SPOOL_DIR=str(tmp_path / "spool"))


def answers_in(service: Service) -> list[Path]:
    return sorted(Path(service.environ["SPOOL_DIR"]).glob("*.answer"))


def replay(service: Service, *, after: float = 0) -> None:
    """Replay the spool, so many seconds after its answers came; try what is queued again."""
    for path in answers_in(service):
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - after))
    with service.app.app_context():
        spooled.replay()
        while ending.retry_next():
            pass


@contextmanager
def storage_broken(service: Service) -> Iterator[None]:
    """Nothing can be connected: the table of it is away."""
    for old, new in (("service_connections", "away"), ("away", "service_connections")):
        with service.app.app_context():
            db.session.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))
            db.session.commit()
        if new == "away":
            yield


@pytest.mark.parametrize("name", NAMES)
def test_what_could_not_be_stored_is_ended(own: Service, sandbox: Sandbox, name: str) -> None:
    user, agent = own.user(), Agent(own)
    watch = sandbox.watch()
    back = agent.consent(agent.start(user, name))
    with storage_broken(own):
        assert agent.call("GET", back).status_code == 500
    assert len(answers_in(own)) == 1
    replay(own)
    assert len(answers_in(own)) == 1, "a callback that is still at work has its time"
    replay(own, after=spooled.UNDECIDED + 1)
    assert answers_in(own) == []
    provider = provider_named(PROVIDERS.get(name, name))
    if provider.revocation.name != "NONE":
        assert "live" not in watch.states(provider.name)
    assert "grant.spare" in [event["action"] for event in user.call("GET", "/api/audit").json()["events"]]
    assert agent.connect(user, name).status_code == 200


@pytest.mark.parametrize("name", NAMES)
def test_what_was_stored_stays(
    own: Service, sandbox: Sandbox, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process was killed between the commit and the end of the answer on disk."""
    user, provider = own.user(), provider_named(PROVIDERS.get(name, name))
    with monkeypatch.context() as killed:
        killed.setattr(Entry, "drop", lambda _: None)
        assert Agent(own).connect(user, name).status_code == 200
    assert len(answers_in(own)) == 1
    replay(own, after=spooled.UNDECIDED + 1)
    assert answers_in(own) == []
    kept = tokens_of(own, user, provider)
    assert {sandbox.control.token_state(provider.name, token) for token in kept} == {"live"}


@pytest.mark.parametrize("name", ["github", "spotify"])
def test_no_room_on_disk_is_said_before_the_code_is_spent(own: Service, sandbox: Sandbox, name: str) -> None:
    user, agent = own.user(), Agent(own)
    folder = Path(own.environ["SPOOL_DIR"])
    back = agent.consent(agent.start(user, name))
    calls = sandbox.calls()
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_text("a file, where a folder belongs")
    answer = agent.call("GET", back)
    assert (answer.status_code, calls.of(name)) == (500, 0)
    assert answer.json()["error"].endswith("failed: this service is not set up to ask the provider")
    folder.unlink()
    assert agent.connect(user, name).status_code == 200
    assert answers_in(own) == []


def test_a_page_that_waits_for_its_user_leaves_nothing_on_disk(own: Service) -> None:
    user, browser = own.user(), Agent(own, pages=True)
    url = user.call("GET", "/api/user/connection/access/github").json()["url"]
    page = browser.call("GET", browser.consent(url))
    assert page.status_code == 200 and answers_in(own) == []
    assert browser.submit(page).status_code == 200
