"""PostgreSQL fails in every way that it can: a clear answer in time, and it ends by itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import text

from app import create_app
from app.extensions import db
from app.models import budget
from config import Config
from tests.support.faults import Fault
from tests.support.houses import WELL, House, ask, ask_all, connected, heal
from tests.support.outages import QUEUED, of_postgresql
from tests.support.providers import Sandbox, Switched
from tests.support.rows import actions_of, ago, change_grant, expire_token, grant_of
from tests.support.servers import FrailPostgresql

OUTAGES = (
    "refused",
    "silent",
    "dripping",
    "cut",
    "frozen",
    "stopped",
    "read-only",
    "no connections",
    "locked",
    "disk full",
    "out of memory",
    "shutting down",
    "deadlock",
)
CUTS = pytest.mark.parametrize(
    "fault", [Fault.CUT_BEFORE_COMMIT, Fault.CUT_AFTER_COMMIT], ids=lambda fault: fault.value
)


@pytest.mark.parametrize("kind", OUTAGES)
def test_an_outage_is_said_in_time_and_ends_by_itself(
    frail: FrailPostgresql, frail_house: House, kind: str
) -> None:
    outage, before = of_postgresql(frail)[kind], frail_house.stored()
    with outage.begin(frail_house):
        said = ask_all(frail_house)
    assert outage.problems(said.items()) == []
    assert heal(frail_house) < 5
    assert frail_house.stored() > before
    frail_house.check_log()


def test_every_outage_is_tried(frail: FrailPostgresql) -> None:
    assert tuple(of_postgresql(frail)) == OUTAGES


def test_a_restart_between_two_requests_is_not_noticed(frail: FrailPostgresql, frail_house: House) -> None:
    with frail.stopped():
        pass
    assert {name: one.status for name, one in ask_all(frail_house).items()} == WELL


def test_a_frozen_database_does_not_make_a_queue(frail: FrailPostgresql, frail_house: House) -> None:
    """Three times as many requests as there are threads, and nobody waits for another's deadline."""
    outage, names = replace(of_postgresql(frail)["frozen"], longest=QUEUED), ["read", "write", "token"] * 8
    with outage.begin(frail_house), ThreadPoolExecutor(len(names)) as threads:
        said = list(threads.map(lambda name: ask(frail_house, name), names))
    assert outage.problems(zip(names, said, strict=True)) == []
    heal(frail_house)


def test_what_is_left_open_is_given_up_without_an_answer(
    frail: FrailPostgresql, frail_house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """The database freezes between the last statement of a request and its end."""
    url = frail.through_proxy(frail_house.service.environ["DATABASE_URL"])
    app = create_app(Config.from_env({**frail_house.service.environ, "DATABASE_URL": url}))
    with app.app_context(), budget.of(0.3):
        db.session.execute(text("SELECT 1"))
        with frail.proxy.suffering(Fault.SILENT):
            db.session.remove()
    with app.app_context():
        assert db.session.scalar(text("SELECT 1")) == 1
        db.session.remove()
        db.engine.dispose()
    assert not caplog.records
    heal(frail_house)


@CUTS
def test_a_commit_that_is_not_answered_is_whole_or_nothing(
    frail: FrailPostgresql, frail_house: House, fault: Fault
) -> None:
    before = frail_house.stored()
    with frail.proxy.suffering(fault):
        said = [ask(frail_house, "write") for _ in range(3)]
    assert {(one.status, one.code) for one in said} == {(503, "storage_unavailable")}
    assert frail_house.stored() - before == (3 if fault is Fault.CUT_AFTER_COMMIT else 0)
    heal(frail_house)
    frail_house.check_log()


@CUTS
@pytest.mark.parametrize("spared", range(4), ids=["lease", "attempt", "answer", "audit"])
def test_a_renewal_loses_no_token_at_any_commit(
    frail: FrailPostgresql,
    frail_house: House,
    sandbox: Sandbox,
    switched: Switched,
    fault: Fault,
    spared: int,
) -> None:
    """Discord's refresh tokens work once here: an answer that is lost would end the connection."""
    switched("discord", strict_reuse=True)
    service = frail_house.service
    user = connected(service, "discord")
    old = expire_token(service, sandbox, user, "discord")
    path, calls = "/api/connections/discord/token", sandbox.calls()
    with frail.proxy.suffering(fault, spare=spared):
        answer = frail_house.call("GET", path, user=user)
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    if grant_of(service, user).lease_until is not None:
        change_grant(service, user, lease_until=ago(seconds=1))
    token = frail_house.call("GET", path, user=user).json()["access_token"]
    assert token != old and sandbox.control.token_state("discord", token) == "live"
    assert calls.of("discord", "refresh") == 1
    assert "grant.end" not in actions_of(service, user)
