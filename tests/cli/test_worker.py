"""The worker: what is due is done before anyone asks, once, by however many there are."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from click.testing import Result
from sqlalchemy import func, select, update

from app.extensions import db, spool
from app.models import AuditEvent, BrowserSession, Flow, Grant, Login, LoginFailure, now
from app.providers import PROVIDERS, provider_named
from app.services import leases, warning
from tests.http.test_refresh_protocol import answered, place_of, put_in_spool
from tests.http.test_unbound import access_url
from tests.support.browser import Agent
from tests.support.databases import ROOT
from tests.support.processes import gunicorn, only, run
from tests.support.providers import Fault, Sandbox, Switched
from tests.support.rows import actions_of, ago, change_grant, expire_token, grant_of, tokens_of
from tests.support.service import Service, StartService

NAMES = {provider.name: provider.service.name for provider in PROVIDERS}


@pytest.fixture
def own(start_service: StartService) -> Service:
    """A service whose database nobody else fills."""
    return start_service()


def once(service: Service) -> dict[str, int]:
    """Let a worker do what is due now; return its report."""
    done: Result = service.app.test_cli_runner().invoke(args=["worker", "--once"])
    assert done.exit_code == 0, done.output
    lines = (line.rpartition(": ") for line in done.output.splitlines())
    return {name: int(count) for name, _, count in lines}


@contextmanager
def worker(service: Service) -> Iterator[subprocess.Popen[str]]:
    """Run a worker as a process of its own; it has said that it is at work when the block begins."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "worker"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, cwd=ROOT, env=only(service.environ), **pipes)  # type: ignore[call-overload]
    try:
        assert json.loads(process.stderr.readline())["event"] == "the worker is at work; SIGTERM ends it"
        yield process
    finally:
        process.kill()
        process.communicate()


def until(found: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_its_report_for_programs(own: Service) -> None:
    done = own.app.test_cli_runner().invoke(args=["worker", "--once", "--json"])
    assert (done.exit_code, json.loads(done.stdout)) == (0, once(own))
    endless = own.app.test_cli_runner().invoke(args=["worker", "--json"])
    assert endless.exit_code == 2 and "--json needs --once" in endless.output


def test_nothing_is_due_on_a_new_database(own: Service) -> None:
    report = once(own)
    assert set(report.values()) == {0}
    assert set(report) == {
        "answers from the spool",
        *(f"{name} renewals" for name in NAMES),
        "revocations",
        "unconfirmed answers",
        "rows cleared",
        "warnings",
    }


@pytest.mark.parametrize("provider", ["google", "github", "spotify", "discord"])
def test_it_renews_what_is_due_before_anyone_asks(
    own: Service, sandbox: Sandbox, switched: Switched, provider: str
) -> None:
    switched("github", expiry="expiring")
    user, other = own.user(), own.user()
    for one in (user, other):
        Agent(own).connect(one, NAMES[provider])
    before = tokens_of(own, other, provider_named(provider))
    old, calls = expire_token(own, sandbox, user, provider), sandbox.calls()
    assert once(own)[f"{provider} renewals"] == 1
    assert tokens_of(own, user, provider_named(provider))[0] != old
    assert tokens_of(own, other, provider_named(provider)) == before
    assert calls.of(provider, "refresh") == 1 and once(own)[f"{provider} renewals"] == 0
    with own.app.app_context():
        event = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "grant.refresh")).one()
        assert (event.user_id, event.actor) == (user.id, "worker")


@pytest.mark.parametrize(
    ("provider", "ahead"),
    [("spotify", timedelta(minutes=6)), ("discord", timedelta(hours=16.8)), ("facebook", timedelta(days=14))],
)
def test_it_is_early(own: Service, provider: str, ahead: timedelta) -> None:
    user = own.user()
    Agent(own).connect(user, NAMES[provider])
    grant = grant_of(own, user)
    assert grant.expires_at is not None and grant.due_at is not None
    assert abs(grant.expires_at - grant.due_at - ahead) < timedelta(seconds=1)
    assert set(once(own).values()) == {0}


def test_it_exchanges_facebooks_token_two_weeks_before_its_end(own: Service, sandbox: Sandbox) -> None:
    user = own.user()
    Agent(own).connect(user, "facebook")
    change_grant(own, user, token_at=ago(days=46), expires_at=ago(days=-14), due_at=ago(seconds=1))
    assert once(own)["facebook renewals"] == 1
    renewed = grant_of(own, user).expires_at
    assert renewed is not None and renewed > ago(days=-59)


def test_it_finds_ended_what_nothing_can_renew(own: Service, sandbox: Sandbox) -> None:
    user = own.user()
    Agent(own).connect(user, "facebook")
    change_grant(own, user, expires_at=ago(seconds=1), due_at=ago(seconds=1))
    calls = sandbox.calls()
    assert once(own)["facebook renewals"] == 1 and calls.of("facebook") == 0
    assert grant_of(own, user).ended_at is not None and "grant.end" in actions_of(own, user)
    assert once(own)["facebook renewals"] == 0


def test_a_dead_grant_is_asked_about_once(own: Service, sandbox: Sandbox) -> None:
    user = own.user()
    sandbox.control.add_account("discord", f"dead-{user.username}-{own.port}")
    Agent(own).connect(user, "discord", account=f"dead-{user.username}-{own.port}")
    sandbox.control.revoke("discord", f"dead-{user.username}-{own.port}")
    expire_token(own, sandbox, user, "discord")
    calls = sandbox.calls()
    assert [once(own)["discord renewals"] for _ in range(2)] == [1, 0]
    assert calls.of("discord") == 1


def test_an_outage_of_one_provider_is_left_alone_and_the_others_go_on(
    own: Service, sandbox: Sandbox, fault: Fault
) -> None:
    users = [own.user() for _ in range(9)]
    for number, user in enumerate(users):
        name = "spotify" if number < 8 else "discord"
        Agent(own).connect(user, name)
        expire_token(own, sandbox, user, name)
    fault("spotify", "refresh", "status", times=0, status=503)
    calls = sandbox.calls()
    report = once(own)
    assert report["discord renewals"] == 1
    assert 3 <= calls.of("spotify", "refresh") < 8, "not each of them is tried while it is down"
    assert not any(grant_of(own, user).ended_at for user in users)


def test_a_row_that_does_not_open_stops_nobody(own: Service, sandbox: Sandbox) -> None:
    broken, user = own.user(), own.user()
    for one in (broken, user):
        Agent(own).connect(one, "discord")
        expire_token(own, sandbox, one, "discord")
    change_grant(own, broken, sealed=b"spoiled", due_at=ago(hours=1))
    assert once(own)["discord renewals"] == 2
    assert grant_of(own, user).generation == 2 and grant_of(own, broken).ended_at is None
    assert once(own)["discord renewals"] == 0


def test_it_retries_revocations(own: Service, sandbox: Sandbox, fault: Fault) -> None:
    user, watch = own.user(), sandbox.watch()
    Agent(own).connect(user, "discord")
    fault("discord", "revoke", "status", status=500)
    assert user.call("DELETE", "/api/connections/discord").json()["revocation"] == "queued"
    assert once(own)["revocations"] == 0, "it is not due yet"
    with own.app.app_context():
        db.session.execute(update(Grant.metadata.tables["revocations"]).values(retry_at=ago(seconds=1)))
        db.session.commit()
    assert once(own)["revocations"] == 1 and "live" not in watch.states("discord")


def test_it_replays_the_spool(own: Service, sandbox: Sandbox) -> None:
    user = own.user()
    Agent(own).connect(user, "discord")
    expire_token(own, sandbox, user, "discord")
    put_in_spool(own, place_of(own, user), answered(own, sandbox, user))
    assert once(own)["answers from the spool"] == 1 and grant_of(own, user).generation == 2


def test_it_ends_what_was_never_confirmed(own: Service, sandbox: Sandbox) -> None:
    user, browser, watch = own.user(), Agent(own, pages=True), sandbox.watch()
    page = browser.call("GET", browser.consent(access_url(user, "discord")))
    assert page.status_code == 200 and once(own)["unconfirmed answers"] == 0
    with own.app.app_context():
        db.session.execute(update(Flow).values(expires_at=ago(seconds=1)))
        db.session.commit()
    report = once(own)
    assert (report["unconfirmed answers"], report["rows cleared"]) == (1, 0)
    assert "live" not in watch.states("discord") and "grant.spare" in actions_of(own, user)
    assert browser.submit(page, action="/confirm").status_code == 410


def test_it_clears_what_has_ended_and_nothing_else(own: Service) -> None:
    user, browser = own.user(), Agent(own)
    browser.start(user, "github")
    own.call("POST", "/api/auth/login", json={"username": user.username, "password": "wrong password"})
    tables = (Flow, BrowserSession, Login, LoginFailure)

    def counts() -> list[int]:
        with own.app.app_context():
            return [db.session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]

    assert counts() == [1, 1, 1, 1] and once(own)["rows cleared"] == 0 and counts() == [1, 1, 1, 1]
    with own.app.app_context():
        for table in (Flow, BrowserSession, Login):
            db.session.execute(update(table).values(expires_at=ago(seconds=1)))
        db.session.execute(update(LoginFailure).values(at=now() - timedelta(minutes=16)))
        db.session.commit()
    once(own)
    assert counts() == [0, 0, 0, 0]


def test_it_warns_thirty_seven_and_one_days_before_a_grant_ends(own: Service) -> None:
    user, told = own.user(), []
    Agent(own).connect(user, "spotify")
    for days in (31, 29, 20, 7, 6, 1, 0.5):
        grant = grant_of(own, user)
        change_grant(own, user, ends_at=ago(days=-days), warned_days=grant.warned_days)
        told.append(once(own)["warnings"])
        assert once(own)["warnings"] == 0, "once each"
    assert told == [0, 1, 0, 1, 0, 1, 0]
    with own.app.app_context():
        details = db.session.scalars(
            select(AuditEvent.detail).where(AuditEvent.action == "grant.expiring").order_by(AuditEvent.id)
        ).all()
    assert [detail.rpartition("within ")[2] for detail in details] == ["30 days", "7 days", "1 day"]


def test_a_renewal_that_does_not_move_the_end_does_not_warn_again(own: Service, sandbox: Sandbox) -> None:
    user = own.user()
    Agent(own).connect(user, "spotify")
    change_grant(own, user, authorized_at=ago(days=160), ends_at=ago(days=-22))
    assert once(own)["warnings"] == 1
    expire_token(own, sandbox, user, "spotify")
    report = once(own)
    assert (report["spotify renewals"], report["warnings"]) == (1, 0)
    Agent(own).connect(user, "spotify", "?replace=true")
    assert grant_of(own, user).warned_days is None


def test_a_grant_that_has_ended_is_not_warned_of(own: Service) -> None:
    user = own.user()
    Agent(own).connect(user, "spotify")
    change_grant(own, user, ends_at=ago(days=-1), ended_at=ago(days=1))
    with own.app.app_context():
        assert warning.warn_next() is False


def test_each_due_grant_is_claimed_once(own: Service, sandbox: Sandbox) -> None:
    for _ in range(12):
        user = own.user()
        Agent(own).connect(user, "discord")
        expire_token(own, sandbox, user, "discord")

    def claim(_: int) -> list[int]:
        found = []
        with own.app.app_context():
            while lease := leases.take_due(provider_named("discord")):
                found.append(lease.place.row_id)
        return found

    with ThreadPoolExecutor(4) as pool:
        claimed = [row_id for rows in pool.map(claim, range(4)) for row_id in rows]
    assert len(claimed) == len(set(claimed)) == 12


def test_two_workers_renew_each_token_once_and_end_when_told(own: Service, sandbox: Sandbox) -> None:
    users = [own.user() for _ in range(6)]
    for user in users:
        Agent(own).connect(user, "discord")
    calls = sandbox.calls()
    with worker(own) as first, worker(own) as second:
        for user in users:
            expire_token(own, sandbox, user, "discord")
        until(lambda: all(grant_of(own, user).generation == 2 for user in users))
        for process in (first, second):
            process.send_signal(signal.SIGTERM)
        assert [process.wait(20) for process in (first, second)] == [0, 0]
    assert calls.of("discord", "refresh") == 6


def test_it_ends_within_the_piece_it_is_at(own: Service, sandbox: Sandbox, fault: Fault) -> None:
    user = own.user()
    Agent(own).connect(user, "discord")
    fault("discord", "refresh", "hold")
    with worker(own) as process:
        expire_token(own, sandbox, user, "discord")
        until(lambda: bool(sandbox.control.faults("discord")["held"]))
        process.send_signal(signal.SIGTERM)
        sandbox.control.release("discord")
        assert process.wait(20) == 0
    assert grant_of(own, user).generation == 2, "what was asked for is stored"


def test_the_wrong_schema_stops_it(own: Service) -> None:
    own.close()
    with own.app.app_context():
        own.app.test_cli_runner().invoke(args=["db", "downgrade", "0002"])
        db.engine.dispose()
    for words in (("worker", "--once"), ("worker",)):
        ended = run("-m", "flask", "--app", "wsgi", *words, environ=own.environ)
        assert (ended.returncode, "db upgrade" in ended.stderr) == (3, True)


def test_a_database_that_does_not_answer_is_said(own: Service) -> None:
    away = {**own.environ, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    ended = run("-m", "flask", "--app", "wsgi", "worker", "--once", environ=away)
    assert ended.returncode == 1 and ended.stderr.startswith("Error: The database does not answer")


def test_gunicorn_replays_the_spool_at_boot(own: Service, sandbox: Sandbox) -> None:
    user = own.user()
    Agent(own).connect(user, "discord")
    expire_token(own, sandbox, user, "discord")
    put_in_spool(own, place_of(own, user), answered(own, sandbox, user))
    with gunicorn(own.environ) as running:
        running.wait_for_answer()
        until(lambda: grant_of(own, user).generation == 2)
        with own.app.app_context():
            until(lambda: not spool.entries())
