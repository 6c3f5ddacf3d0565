"""A process that is killed while it renews a token: what it leaves behind, and what comes of it.

Either there is a token that works, or the user is told to connect again and the audit says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from sqlalchemy import func, select

from app.extensions import db
from app.models import Grant
from app.services import spooled
from tests.conftest import start
from tests.support.browser import Agent
from tests.support.databases import PostgresqlDatabases, SqliteDatabases
from tests.support.killing import Killer, NotKilled, Point
from tests.support.providers import Sandbox, Switched
from tests.support.rows import actions_of, ago, change_grant, expire_token, grant_of
from tests.support.service import Service

PROVIDERS = ["discord", "spotify", "github"]
ROTATING = ["discord", "github"]  # a refresh spends the refresh token; Spotify's stays as it is
UNTOLD = (Point.REQUEST_SENT, Point.ANSWER_READ)  # the provider has answered, and nobody knows what
LOST = {(provider, point) for provider in ROTATING for point in UNTOLD}
CALLS = {point: 2 if point in UNTOLD else 1 for point in Point}  # to the provider, the killed one's included


@dataclass(frozen=True)
class Left:
    """What a killed process leaves behind."""

    attempted: bool
    leased: bool
    calls: int
    generations: int
    answers: int
    reserved: int


LEFT = {
    Point.LEASE_TAKEN: Left(attempted=False, leased=True, calls=0, generations=0, answers=0, reserved=0),
    Point.REQUEST_SENT: Left(attempted=True, leased=True, calls=1, generations=0, answers=0, reserved=1),
    Point.ANSWER_READ: Left(attempted=True, leased=True, calls=1, generations=0, answers=0, reserved=1),
    Point.SPOOLED: Left(attempted=True, leased=True, calls=1, generations=0, answers=1, reserved=0),
    Point.COMMITTED: Left(attempted=False, leased=False, calls=1, generations=1, answers=1, reserved=0),
}


class Victim:
    """A user who is connected to one provider with a token that has expired."""

    def __init__(self, service: Service, sandbox: Sandbox, provider: str) -> None:
        self.service, self.sandbox, self.provider = service, sandbox, provider
        self.user = service.user()
        connected = Agent(service).connect(self.user, provider)
        assert connected.status_code == 200, connected.text
        self.old = expire_token(service, sandbox, self.user, provider)
        self.generation = self.grant().generation
        self._calls = sandbox.calls()

    def grant(self) -> Grant:
        return grant_of(self.service, self.user, self.provider)

    def columns(self) -> dict[str, object]:
        row = self.grant()
        return {column.key: getattr(row, column.key) for column in Grant.__table__.columns}

    def calls(self, endpoint: str = "refresh") -> int:
        """Return how often the provider was called since the token expired."""
        return self._calls.of(self.provider, endpoint)

    def left(self) -> Left:
        grant = self.grant()
        return Left(
            attempted=grant.attempted_at is not None,
            leased=grant.lease_until is not None,
            calls=self.calls(),
            generations=grant.generation - self.generation,
            answers=len(in_spool(self.service, "answer")),
            reserved=len(in_spool(self.service, "reserved")),
        )

    def let_lease_run_out(self) -> None:
        if self.grant().lease_until is not None:
            change_grant(self.service, self.user, self.provider, lease_until=ago(seconds=1))

    def ask(self) -> requests.Response:
        return self.user.call("GET", f"/api/connections/{self.provider}/token")

    def actions(self) -> list[str]:
        return actions_of(self.service, self.user)

    def state(self, token: str) -> str:
        return self.sandbox.control.token_state(self.provider, token)

    def check_token(self) -> str:
        """Ask for the token and prove that it is a new one that works; return it."""
        answer = self.ask()
        assert answer.status_code == 200, answer.text
        token = str(answer.json()["access_token"])
        assert token != self.old and self.state(token) == "live"
        assert answer.json()["warning"] is None
        return token


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    with Killer() as started:
        yield started


@pytest.fixture(scope="module")
def house(
    databases: SqliteDatabases | PostgresqlDatabases,
    sandbox: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    """A service with a spool that no other service's processes write to."""
    started = start(databases.new(), sandbox, SPOOL_DIR=str(tmp_path_factory.mktemp("spool")))
    yield started
    started.close()


@pytest.fixture
def shop(house: Service, switched: Switched) -> Iterator[Service]:
    """The same with an empty spool, and providers that are as strict as they may be."""
    switched("discord", strict_reuse=True)
    switched("spotify", refresh_token_on_refresh="omit")
    switched("github", expiry="expiring")
    yield house
    for path in (*in_spool(house, "answer"), *in_spool(house, "reserved")):
        path.unlink()


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("point", Point)
def test_a_reader_finds_a_working_token_or_is_told(
    shop: Service, sandbox: Sandbox, killer: Killer, point: Point, provider: str
) -> None:
    victim = Victim(shop, sandbox, provider)
    killer.kill(shop, victim.user, provider, point)
    assert victim.left() == LEFT[point]
    victim.let_lease_run_out()
    if (provider, point) in LOST:
        answer = victim.ask()
        assert (answer.status_code, answer.json()["code"]) == (409, "reconnect_required")
        assert victim.actions().count("grant.end") == 1
        assert victim.grant().ended_at is not None
    else:
        victim.check_token()
        assert "grant.end" not in victim.actions()
    assert victim.calls() == CALLS[point]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_in_the_spool_is_stored_at_boot_while_the_lease_still_runs(
    shop: Service, sandbox: Sandbox, killer: Killer, provider: str
) -> None:
    victim = Victim(shop, sandbox, provider)
    killer.kill(shop, victim.user, provider, Point.SPOOLED)
    lease = victim.grant().lease_until
    assert lease is not None and lease > ago(seconds=-5)
    assert replay(shop) == 1
    assert victim.left() == Left(attempted=False, leased=False, calls=1, generations=1, answers=0, reserved=0)
    victim.check_token()
    assert victim.calls() == 1
    assert victim.actions().count("grant.refresh") == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_that_is_stored_already_is_dropped_without_effect(
    shop: Service, sandbox: Sandbox, killer: Killer, provider: str
) -> None:
    victim = Victim(shop, sandbox, provider)
    killer.kill(shop, victim.user, provider, Point.COMMITTED)
    token = victim.check_token()
    before, actions = victim.columns(), victim.actions()
    assert len(in_spool(shop, "answer")) == 1
    assert replay(shop) == 0
    assert in_spool(shop, "answer") == []
    assert victim.columns() == before
    assert victim.actions() == actions
    assert victim.calls("revoke") == 0
    assert victim.state(token) == "live"
    assert victim.check_token() == token


@pytest.mark.parametrize("provider", ROTATING)
def test_a_disconnect_ends_what_waits_in_the_spool_too(
    shop: Service, sandbox: Sandbox, killer: Killer, provider: str
) -> None:
    watch = sandbox.watch()
    victim = Victim(shop, sandbox, provider)
    killer.kill(shop, victim.user, provider, Point.SPOOLED)
    deleted = victim.user.call("DELETE", f"/api/connections/{provider}")
    assert deleted.status_code == 200, deleted.text
    assert "live" not in watch.states(provider)  # nor are the tokens that only the spool knew of
    assert replay(shop) == 0
    assert in_spool(shop, "answer") == []
    assert grants_of(shop, victim) == 0
    assert (victim.ask().status_code, victim.ask().json()["code"]) == (404, "service_not_connected")
    assert victim.actions()[-3:] == ["grant.refresh", "connection.disconnect", "grant.revoke"]


def test_a_kill_that_does_not_come_is_an_error(shop: Service, sandbox: Sandbox, killer: Killer) -> None:
    victim = Victim(shop, sandbox, "discord")
    victim.check_token()  # renewed: there is nothing left to be killed at
    with pytest.raises(NotKilled, match="lease taken"):
        killer.kill(shop, victim.user, "discord", Point.LEASE_TAKEN)


def in_spool(service: Service, suffix: str) -> list[Path]:
    return list(Path(service.environ["SPOOL_DIR"]).glob(f"*.{suffix}"))


def replay(service: Service) -> int:
    with service.app.app_context():
        return spooled.replay()


def grants_of(service: Service, victim: Victim) -> int:
    with service.app.app_context():
        mine = select(func.count()).select_from(Grant).where(Grant.user_id == victim.user.id)
        return db.session.scalar(mine) or 0
