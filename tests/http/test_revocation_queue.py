"""Ends that a provider did not take: queued, seen by their owner, tried again for a day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import delete, select, update

from app.extensions import db
from app.models import AuditEvent, Revocation
from app.providers import PROVIDERS, provider_named
from app.services import ending
from tests.support.browser import Agent
from tests.support.providers import Fault, Sandbox, Switched
from tests.support.rows import actions_of, ago, change_grant, tokens_of
from tests.support.service import PASSWORD, Service, StartService, User, twin_of

NAMES = {one.name: one.service.name for one in PROVIDERS if one.name != "spotify"}
ROUTE = "/api/connections/revocations"


@pytest.fixture
def retry(service: Service) -> Callable[[User], list[Revocation]]:
    """Let the time of this user's queue come, and let a worker go over it alone; return what stays."""

    def go(user: User) -> list[Revocation]:
        with service.app.app_context():
            db.session.execute(delete(Revocation).where(Revocation.user_id != user.id))
            due = update(Revocation).where(Revocation.user_id == user.id)
            db.session.execute(due.values(retry_at=ago(seconds=1)))
            db.session.commit()
            while ending.retry_next():
                pass
            mine = select(Revocation).where(Revocation.user_id == user.id)
            return list(db.session.scalars(mine))

    return go


def queue_one(user: User, agent: Agent, fault: Fault, provider: str, *, times: int = 1) -> None:
    agent.connect(user, NAMES[provider])
    fault(provider, "revoke", "status", times=times, status=503)
    answer = user.call("DELETE", f"/api/connections/{NAMES[provider]}")
    assert answer.json()["revocation"] == "queued"


def last_detail(service: Service, user: User) -> str:
    """Return what the audit says last of this user."""
    with service.app.app_context():
        mine = select(AuditEvent.detail).where(AuditEvent.user_id == user.id)
        return db.session.scalars(mine.order_by(AuditEvent.id.desc()).limit(1)).one()


@pytest.mark.parametrize("provider", NAMES)
def test_it_is_seen_and_ends_when_the_provider_is_back(
    user: User,
    agent: Agent,
    service: Service,
    sandbox: Sandbox,
    fault: Fault,
    retry: Callable[[User], list[Revocation]],
    provider: str,
) -> None:
    watch = sandbox.watch()
    assert user.call("GET", ROUTE).json() == {"revocations": []}
    queue_one(user, agent, fault, provider)
    [row] = user.call("GET", ROUTE).json()["revocations"]
    assert set(row) == {"provider", "account_id", "queued_at", "attempts", "retry_at", "given_up_at"}
    assert (row["provider"], row["attempts"]) == (provider, 1) and row["account_id"]
    queued, given_up = (datetime.fromisoformat(row[name]) for name in ("queued_at", "given_up_at"))
    assert given_up - queued == timedelta(days=1)
    assert service.user().call("GET", ROUTE).json() == {"revocations": []}
    assert retry(user) == [] and user.call("GET", ROUTE).json() == {"revocations": []}
    assert "live" not in watch.states(provider)
    assert actions_of(service, user)[-2:] == ["grant.revoke", "grant.revoke"]


def test_each_failure_waits_longer_an_hour_at_most(
    user: User, agent: Agent, fault: Fault, retry: Callable[[User], list[Revocation]]
) -> None:
    queue_one(user, agent, fault, "google", times=11)
    waits = []
    for _ in range(10):
        [row] = retry(user)
        assert row.retry_at is not None
        waits.append((row.retry_at - ago()).total_seconds())
    assert [round(wait / 10) * 10 for wait in waits[:5]] == [120, 240, 480, 960, 1920]
    assert all(abs(wait - 3600) < 10 for wait in waits[6:])


def test_it_waits_as_the_provider_says(
    user: User, agent: Agent, fault: Fault, retry: Callable[[User], list[Revocation]]
) -> None:
    agent.connect(user, "discord")
    fault("discord", "revoke", "status", times=2, status=429, retry_after=5000)
    user.call("DELETE", "/api/connections/discord")
    [row] = retry(user)
    assert row.retry_at is not None and 4900 < (row.retry_at - ago()).total_seconds() <= 5000


def test_the_one_who_queued_it_comes_first(
    user: User, agent: Agent, service: Service, fault: Fault, sandbox: Sandbox
) -> None:
    """What a request is about to end itself is not a worker's for half a minute."""
    queue_one(user, agent, fault, "google")
    with service.app.app_context():
        row = db.session.scalars(select(Revocation).where(Revocation.user_id == user.id)).one()
        assert row.retry_at is not None and row.retry_at > ago(seconds=-25)


def test_after_a_day_it_is_given_up_and_its_owner_can_read_so(
    user: User, agent: Agent, service: Service, fault: Fault, retry: Callable[[User], list[Revocation]]
) -> None:
    queue_one(user, agent, fault, "google", times=4)
    with service.app.app_context():
        mine = update(Revocation).where(Revocation.user_id == user.id)
        db.session.execute(mine.values(created_at=ago(hours=23)))
        db.session.commit()
    assert len(retry(user)) == 1
    with service.app.app_context():
        db.session.execute(mine.values(created_at=ago(hours=25)))
        db.session.commit()
    assert len(retry(user)) == 1, "a queue that nobody worked on was not tried"
    with service.app.app_context():
        db.session.execute(mine.values(attempts=20))
        db.session.commit()
    assert retry(user) == []
    assert last_detail(service, user) == "given_up"


def test_one_that_is_said_to_be_of_another_account_does_not_open(
    user: User,
    agent: Agent,
    service: Service,
    sandbox: Sandbox,
    fault: Fault,
    retry: Callable[[User], list[Revocation]],
) -> None:
    queue_one(user, agent, fault, "discord")
    calls = sandbox.calls()

    def change(account_id: str) -> str:
        with service.app.app_context():
            row = db.session.scalars(select(Revocation).where(Revocation.user_id == user.id)).one()
            before, row.account_id = row.account_id, account_id
            db.session.commit()
        return before

    account_id = change("another")
    [row] = retry(user)
    assert (row.attempts, calls.of("discord")) == (1, 0)
    change(account_id)
    assert retry(user) == [] and calls.of("discord", "revoke") == 1


def test_it_outlives_its_user(
    user: User, agent: Agent, sandbox: Sandbox, fault: Fault, retry: Callable[[User], list[Revocation]]
) -> None:
    watch = sandbox.watch()
    agent.connect(user, "discord")
    fault("discord", "revoke", "status", status=500)
    assert user.call("DELETE", "/api/auth/me", json={"password": PASSWORD}).status_code == 200
    assert "live" in watch.states("discord")
    assert retry(user) == [] and "live" not in watch.states("discord")


def test_a_reconnected_account_is_not_ended_by_an_old_revocation(
    user: User,
    agent: Agent,
    service: Service,
    sandbox: Sandbox,
    fault: Fault,
    retry: Callable[[User], list[Revocation]],
) -> None:
    account = f"again-{user.username}"
    sandbox.control.add_account("google", account)
    agent.connect(user, "gmail", account=account)
    fault("google", "revoke", "status", status=500)
    user.call("DELETE", "/api/connections/gmail")
    assert agent.connect(user, "gmail", account=account).status_code == 200
    assert retry(user) == []
    held = tokens_of(service, user, provider_named("google"))
    assert {sandbox.control.token_state("google", token) for token in held} == {"live"}


def test_a_token_that_can_neither_be_used_nor_refreshed_has_gone(
    user: User, agent: Agent, service: Service, sandbox: Sandbox, switched: Switched
) -> None:
    switched("github", expiry="expiring")
    account = f"gone-{user.username}"
    sandbox.control.add_account("github", account)
    agent.connect(user, "github", account=account)
    change_grant(service, user, expires_at=ago(seconds=1))
    sandbox.control.revoke("github", account)
    assert user.call("DELETE", "/api/connections/github").json()["revocation"] == "already_gone"


def test_what_waits_for_our_own_credentials_is_neither_tried_nor_given_up(
    user: User, agent: Agent, service: Service, start_service: StartService, fault: Fault
) -> None:
    queue_one(user, agent, fault, "discord")
    bare = start_service(
        **{**twin_of(service), "DISCORD_CLIENT_ID": "", "DISCORD_CLIENT_SECRET": ""},
    )
    with bare.app.app_context():
        mine = update(Revocation).where(Revocation.user_id == user.id)
        db.session.execute(mine.values(created_at=ago(days=3), attempts=20, retry_at=ago(seconds=1)))
        db.session.commit()
        while ending.retry_next():
            pass
        row = db.session.scalars(select(Revocation).where(Revocation.user_id == user.id)).one()
        assert row.attempts == 20


def test_an_ended_grant_does_not_keep_its_account_alive(
    user: User, agent: Agent, service: Service, sandbox: Sandbox
) -> None:
    """Two users with one account; the grant of the other has ended: nobody else holds it here."""
    account, other, watch = f"two-{user.username}", service.user(), sandbox.watch()
    sandbox.control.add_account("discord", account)
    agent.connect(user, "discord", account=account)
    Agent(service).connect(other, "discord", account=account)
    change_grant(service, other, ended_at=ago(hours=1))
    assert user.call("DELETE", "/api/connections/discord").json()["revocation"] == "revoked"
    assert "live" not in watch.states("discord")
