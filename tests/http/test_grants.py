"""Grants over their life: reconnecting, other accounts, shared accounts, and what ends at the provider."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from app.extensions import db
from app.models import AuditEvent, Grant, Revocation, ServiceConnection
from app.providers import PROVIDERS, provider_named
from tests.http.test_unbound import is_connected
from tests.support.browser import Agent
from tests.support.providers import Fault, Sandbox, Switched
from tests.support.rows import grant_of, tokens_of
from tests.support.service import PASSWORD, Service, StartService, User

NAMES = {provider.name: provider.service.name for provider in PROVIDERS}
REVOCABLE = ["google", "facebook", "github", "discord"]


@pytest.fixture
def account(sandbox: Sandbox, user: User) -> str:
    for provider in NAMES:
        sandbox.control.add_account(provider, f"own-{user.username}")
    return f"own-{user.username}"


def queued(service: Service, user: User) -> int:
    with service.app.app_context():
        count = select(func.count()).where(Revocation.user_id == user.id)
        return db.session.scalar(count) or 0


@pytest.mark.parametrize("provider", NAMES)
def test_reconnecting_the_same_account_keeps_the_connection(
    user: User, agent: Agent, service: Service, sandbox: Sandbox, account: str, provider: str
) -> None:
    name = NAMES[provider]
    first = agent.connect(user, name, account=account).json()
    before = grant_of(service, user), tokens_of(service, user, provider_named(provider))
    second = agent.connect(user, name, account=account).json()
    after = grant_of(service, user), tokens_of(service, user, provider_named(provider))
    ids = [
        [row["id"] for row in (answer.get("connections") or {"": answer.get("connection")}).values()]
        for answer in (first, second)
    ]
    assert ids[0] == ids[1]
    assert after[0].generation == before[0].generation + 1 and after[1][0] != before[1][0]
    assert sandbox.control.token_state(provider, after[1][0]) == "live"
    if provider == "github":
        assert sandbox.control.token_state(provider, before[1][0]) == "revoked"
    assert user.call("DELETE", f"/api/connections/{name}").status_code == 200


@pytest.mark.parametrize("provider", NAMES)
def test_another_account_changes_nothing_unless_asked_for(
    user: User, agent: Agent, service: Service, sandbox: Sandbox, account: str, provider: str
) -> None:
    name = NAMES[provider]
    agent.connect(user, name, account=account)
    kept = grant_of(service, user)
    answer = agent.connect(user, name)
    assert (answer.status_code, answer.json()["code"]) == (409, "account_mismatch")
    assert grant_of(service, user).sealed == kept.sealed
    old = tokens_of(service, user, provider_named(provider))
    assert agent.connect(user, name, "?replace=true").status_code == 200
    assert grant_of(service, user).account_id != kept.account_id
    ended = "live" if provider == "spotify" else "revoked"
    assert {sandbox.control.token_state(provider, token) for token in old} == {ended}


@pytest.mark.parametrize("provider", REVOCABLE)
def test_the_refused_accounts_tokens_end(
    user: User, agent: Agent, sandbox: Sandbox, account: str, provider: str
) -> None:
    agent.connect(user, NAMES[provider], account=account)
    watch = sandbox.watch()
    assert agent.connect(user, NAMES[provider]).status_code == 409
    states = watch.states(provider)
    assert "live" not in states and "revoked" in states


@pytest.mark.parametrize("provider", NAMES)
def test_an_account_that_serves_two_users_outlives_one_of_them(
    user: User, agent: Agent, service: Service, sandbox: Sandbox, account: str, provider: str
) -> None:
    name, other = NAMES[provider], service.user()
    agent.connect(user, name, account=account)
    Agent(service).connect(other, name, account=account)
    outcome = user.call("DELETE", f"/api/connections/{name}").json()["revocation"]
    assert outcome == {"github": "revoked", "spotify": "unsupported"}.get(provider, "shared")
    theirs = tokens_of(service, other, provider_named(provider))
    assert {sandbox.control.token_state(provider, token) for token in theirs} == {"live"}
    last = other.call("DELETE", f"/api/connections/{name}").json()["revocation"]
    assert last == ("unsupported" if provider == "spotify" else "revoked")


@pytest.mark.parametrize("provider", REVOCABLE)
def test_two_who_share_an_account_and_go_at_once_end_it(
    agent: Agent, user: User, service: Service, sandbox: Sandbox, account: str, provider: str
) -> None:
    other = service.user()
    watch = sandbox.watch()
    agent.connect(user, NAMES[provider], account=account)
    Agent(service).connect(other, NAMES[provider], account=account)
    path = f"/api/connections/{NAMES[provider]}"
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda one: one.call("DELETE", path).json()["revocation"], (user, other)))
    assert "revoked" in outcomes and "live" not in watch.states(provider)


@pytest.mark.parametrize("either", ["gmail", "drive"])
def test_gmail_and_drive_are_one_grant(user: User, agent: Agent, service: Service, either: str) -> None:
    agent.connect(user, "gmail")
    with service.app.app_context():
        links = db.session.scalars(
            select(ServiceConnection).where(ServiceConnection.user_id == user.id)
        ).all()
    assert len(links) == 2 and len({link.grant_id for link in links}) == 1
    answer = user.call("DELETE", f"/api/connections/{either}").json()
    assert (
        answer["message"] == f"{'Gmail' if either == 'gmail' else 'Google Drive'} disconnected successfully"
    )
    assert not is_connected(user, "gmail") and not is_connected(user, "drive")
    with service.app.app_context():
        told = select(AuditEvent.detail).where(AuditEvent.action == "connection.disconnect")
        assert db.session.scalars(told.where(AuditEvent.user_id == user.id)).one() == "ended: gmail, drive"


def test_reset_ends_everything_and_counts_services(user: User, agent: Agent, sandbox: Sandbox) -> None:
    nothing = user.call("DELETE", "/api/connections/reset")
    assert nothing.json() == {
        "message": "Successfully disconnected 0 service(s)",
        "disconnected_count": 0,
    }
    watch = sandbox.watch()
    for name in NAMES.values():
        agent.connect(user, name)
    answer = user.call("DELETE", "/api/connections/reset")
    assert answer.json() == {"message": "Successfully disconnected 6 service(s)", "disconnected_count": 6}
    assert not any(row["is_connected"] for row in user.call("GET", "/api/connections").json()["connections"])
    for provider in REVOCABLE:
        states = watch.states(provider)
        assert "live" not in states, provider


@pytest.mark.parametrize("kind", ["status", "html"])
@pytest.mark.parametrize("provider", REVOCABLE)
def test_a_provider_that_is_down_leaves_the_end_queued(
    user: User, agent: Agent, service: Service, fault: Fault, provider: str, kind: str
) -> None:
    agent.connect(user, NAMES[provider])
    fault(provider, "revoke", kind, **({"status": 500} if kind == "status" else {}))
    answer = user.call("DELETE", f"/api/connections/{NAMES[provider]}")
    assert answer.status_code == 200 and answer.json()["revocation"] == "queued"
    assert not is_connected(user, NAMES[provider]) and queued(service, user) == 1


def test_leaving_ends_every_grant(user: User, agent: Agent, sandbox: Sandbox, service: Service) -> None:
    watch = sandbox.watch()
    for name in NAMES.values():
        agent.connect(user, name)
    assert user.call("DELETE", "/api/auth/me", json={"password": PASSWORD}).status_code == 200
    for provider in REVOCABLE:
        states = watch.states(provider)
        assert "live" not in states, provider
    with service.app.app_context():
        assert not db.session.scalars(select(Grant).where(Grant.user_id == user.id)).all()


def test_an_expired_github_token_is_refreshed_to_end_its_grant(
    user: User, agent: Agent, service: Service, sandbox: Sandbox, switched: Switched
) -> None:
    switched("github", expiry="expiring")
    agent.connect(user, "github", account=None)
    tokens = tokens_of(service, user, provider_named("github"))
    with service.app.app_context():
        grant = db.session.scalars(select(Grant).where(Grant.user_id == user.id)).one()
        grant.expires_at = grant.authorized_at
        db.session.commit()
    sandbox.control.expire("github", token=tokens[0])
    assert user.call("DELETE", "/api/connections/github").json()["revocation"] == "revoked"
    assert {sandbox.control.token_state("github", token) for token in tokens} <= {"revoked", "retired"}


@pytest.mark.parametrize("status", [404, 422])
def test_github_is_not_believed_before_our_credentials_are(
    start_service: StartService, switched: Switched, status: int
) -> None:
    switched("github", wrong_secret_status=404, already_gone_status=status)
    first = start_service()
    user = first.user()
    Agent(first).connect(user, "github")
    changed = {
        **{k: v for k, v in first.environ.items() if k.startswith("GITHUB_")},
        "GITHUB_CLIENT_SECRET": "wrong",
    }
    second = start_service(database_url=first.environ["DATABASE_URL"], **changed)
    answer = second.call("DELETE", "/api/connections/github", headers=user.headers)
    assert answer.json()["revocation"] == "queued"


@pytest.mark.parametrize("provider", NAMES)
def test_two_callbacks_at_once_leave_one_row(
    user: User, service: Service, sandbox: Sandbox, account: str, provider: str
) -> None:
    agents = [Agent(service) for _ in range(4)]
    callbacks = [agent.consent(agent.start(user, NAMES[provider]), account=account) for agent in agents]
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(lambda pair: pair[0].call("GET", pair[1]), zip(agents, callbacks, strict=True))
        )
    assert [answer.status_code for answer in answers] == [200] * 4
    kept = tokens_of(service, user, provider_named(provider))
    assert {sandbox.control.token_state(provider, token) for token in kept} == {"live"}
    assert user.call("DELETE", f"/api/connections/{NAMES[provider]}").status_code == 200
