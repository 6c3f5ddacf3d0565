"""Keys are replaced while servers run, one server after the other: at each step all of them open it all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import text

from app.extensions import db
from tests.support.browser import Agent
from tests.support.databases import ROOT
from tests.support.everything import Everything
from tests.support.keys import keys, listed, twin_with
from tests.support.providers import Fault, Sandbox
from tests.support.service import Service, StartService, twin_of

STEPS = [("k1",), ("k1", "k2"), ("k2", "k1"), ("k2",)]


@pytest.fixture
def own(start_service: StartService, tmp_path: Path) -> Service:
    """A service with a database and a spool that nobody else fills."""
    return start_service(SPOOL_DIR=str(tmp_path / "spool"))


def test_the_way_of_a_key_through_several_servers(
    start_service: StartService, own: Service, sandbox: Sandbox, fault: Fault
) -> None:
    """In each step one server has gone ahead and another is still behind; both write, both read it all."""
    written = [Everything(own, sandbox, fault)]
    behind = own
    for step in STEPS[1:]:
        if step == STEPS[-1]:
            assert keys(behind, "rotate").exit_code == 0
        ahead = twin_with(start_service, own, *step)
        for server in (behind, ahead):
            written.append(Everything(server, sandbox, fault))
        for one in written:
            for server in (behind, ahead):
                one.read(server)
                assert server.call("GET", "/readyz").status_code == 200
        behind = ahead
    for one in written:
        one.use_up(behind)
    assert keys(behind, "verify").exit_code == 0 and set(listed(behind)) == {"k2"}


def test_a_server_that_skips_a_step_says_so(start_service: StartService, own: Service) -> None:
    """One that does not have the new key at all is not ready, and one that lost the old one too early."""
    own.user()
    twin_with(start_service, own, "k2", "k1")
    assert own.call("GET", "/readyz").status_code == 503
    twin_with(start_service, own, "k2", ready=False)


def test_a_server_that_still_seals_with_the_old_key_brings_its_check_value_back(
    start_service: StartService, own: Service
) -> None:
    """Whoever takes the old key out too early is not ready, instead of finding rows that do not open."""
    late = twin_with(start_service, own, "k1", "k2")
    assert keys(twin_with(start_service, own, "k2", "k1"), "rotate").exit_code == 0
    twin_with(start_service, own, "k2")
    assert late.call("GET", "/readyz").status_code == 200
    assert listed(late)["k1"]["has_check"] is True
    twin_with(start_service, own, "k2", ready=False)


def test_a_lost_key_is_let_go_as_the_documents_say(
    start_service: StartService, own: Service, sandbox: Sandbox, fault: Fault
) -> None:
    lost = Everything(own, sandbox, fault)
    twin_with(start_service, own, "k2", ready=False)
    [statement] = re.findall(r"^    (DELETE .+;)$", (ROOT / "docs/keys.md").read_text(), re.MULTILINE)
    with own.app.app_context():
        db.session.execute(text(statement))
        db.session.commit()
    server = twin_with(start_service, own, "k2")
    kept = Everything(server, sandbox, fault)
    kept.read(server)
    kept.use_up(server)
    listing = f"/api/users/{lost.user.username}/get/connections"
    rows = server.call("GET", listing, headers=lost.user.headers).json()["connections"]
    assert [row["unreadable"] for row in rows] == [True, True]
    token = server.call("GET", "/api/connections/discord/token", headers=lost.user.headers)
    assert (token.status_code, token.json()["code"]) == (500, "secret_unreadable")
    agent = Agent(server)
    callback = agent.consent(agent.start(lost.user, "discord"), account=lost.account)
    assert agent.call("GET", callback.replace(own.url, server.url)).status_code == 200
    token = server.call("GET", "/api/connections/discord/token", headers=lost.user.headers)
    assert token.status_code == 200
    assert keys(server, "verify").exit_code == 1 and keys(server, "rotate").exit_code == 1


def test_nothing_is_signed_with_the_key_of_cookies(start_service: StartService, own: Service) -> None:
    """A browser that began under one SECRET_KEY ends under another, without SECRET_KEY_FALLBACKS."""
    user, agent = own.user(), Agent(own)
    callback = agent.consent(agent.start(user, "github"))
    twin = start_service(**{**twin_of(own), "SECRET_KEY": "another key of cookies"})
    assert agent.call("GET", callback.replace(own.url, twin.url)).status_code == 200
    assert user.call("GET", "/api/connections/github/token").status_code == 200
