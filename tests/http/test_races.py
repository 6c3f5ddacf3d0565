"""What happens while a provider is still thinking: no ending is undone, and no token is left behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import requests
from sqlalchemy import func, select, text

from app.extensions import db, vault
from app.models import Grant, ServiceConnection, Tokens
from app.providers import PROVIDERS, provider_named
from app.services import accounts
from tests.http.test_unbound import is_connected
from tests.support.browser import Agent
from tests.support.providers import Fault, Sandbox, Switched
from tests.support.rows import ago, change_grant, expire_token, tokens_of
from tests.support.service import PASSWORD, Service, User

NAMES = {provider.name: provider.service.name for provider in PROVIDERS}
RENEWALS = {name: "long_lived" if name == "facebook" else "refresh" for name in NAMES}
HOLDS = ["hold", "hold_after"]
READERS = 50
PATIENCE = 8  # seconds: less than the service itself waits for a provider


@dataclass(frozen=True)
class Race:
    """One user at one provider, and what was issued there since the race began."""

    service: Service
    sandbox: Sandbox
    user: User
    provider: str
    account: str
    fault: Fault
    pool: ThreadPoolExecutor
    states: Callable[[str], set[str]]

    @property
    def path(self) -> str:
        return f"/api/connections/{NAMES[self.provider]}"

    def connect(self, query: str = "", account: str | None = None) -> requests.Response:
        return Agent(self.service).connect(
            self.user, NAMES[self.provider], query, account=account or self.account
        )

    def make_due(self) -> None:
        if self.provider == "facebook":  # what has ended there cannot be exchanged any more
            change_grant(self.service, self.user, self.provider, due_at=ago(seconds=1))
        else:
            expire_token(self.service, self.sandbox, self.user, self.provider)

    def held(
        self, endpoint: str, kind: str, call: Callable[[], requests.Response]
    ) -> Future[requests.Response]:
        """Make this call in the background, and return when the provider holds it."""
        self.fault(self.provider, endpoint, kind)
        answer = self.pool.submit(call)
        wait_until(lambda: self.sandbox.control.faults(self.provider)["held"] == 1 or answer.done())
        assert not answer.done(), answer.result().text
        return answer

    def held_reader(self, kind: str) -> Future[requests.Response]:
        """Connect, and return when a reader's renewal of the token is held."""
        assert self.connect().status_code == 200
        self.make_due()
        return self.held(RENEWALS[self.provider], kind, lambda: self.user.call("GET", f"{self.path}/token"))

    def held_callback(self, kind: str) -> Future[requests.Response]:
        """Return when the exchange of a code of the same account is held."""
        agent = Agent(self.service)
        callback = agent.consent(agent.start(self.user, NAMES[self.provider]), account=self.account)
        return self.held("token", kind, lambda: agent.call("GET", callback))

    def end(self, answer: Future[requests.Response]) -> requests.Response:
        """Let the held call go on, and return what its caller is told."""
        assert self.sandbox.control.release(self.provider) == 1
        return answer.result(PATIENCE)

    def live_access_tokens(self, account: str | None = None) -> list[str]:
        """Return the access tokens that the provider would take for this account from this service."""
        client_id = self.service.environ[f"{self.provider.upper()}_CLIENT_ID"]
        return [
            token
            for grant in self.sandbox.control.grants(self.provider)["grants"]
            if (grant["client_id"], grant["account"]) == (client_id, account or self.account)
            for token in grant["access_tokens"]
        ]

    def assert_over(self) -> None:
        """Nothing is connected, nothing is stored, and nothing is alive where it can be ended."""
        assert rows(self.service, self.user) == (0, 0)
        if self.provider != "spotify":
            assert "live" not in self.states(self.provider)

    def assert_connected_once(self, account: str | None = None) -> None:
        """One grant, with tokens that work; where tokens end one by one, no other one does."""
        assert rows(self.service, self.user) == (1, 2 if self.provider == "google" else 1)
        assert is_connected(self.user, NAMES[self.provider])
        kept = tokens_of(self.service, self.user, provider_named(self.provider))
        assert {self.sandbox.control.token_state(self.provider, token) for token in kept} == {"live"}
        if self.provider == "github":
            assert self.live_access_tokens(account) == [kept[0]]

    def assert_serves(self, answer: requests.Response) -> None:
        """The reader got the one token that is kept."""
        assert answer.status_code == 200, answer.text
        assert (
            answer.json()["access_token"]
            == tokens_of(self.service, self.user, provider_named(self.provider))[0]
        )
        assert answer.json()["warning"] is None


def wait_until(come: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not come():
        assert time.monotonic() < end, "it never comes"
        time.sleep(0.01)


def rows(service: Service, user: User) -> tuple[int, int]:
    """Return how many grants and how many connections this user has."""
    with service.app.app_context():
        counted = [
            db.session.scalar(select(func.count()).where(model.user_id == user.id)) or 0
            for model in (Grant, ServiceConnection)
        ]
    return counted[0], counted[1]


@pytest.fixture
def race(
    service: Service, sandbox: Sandbox, user: User, fault: Fault, switched: Switched, provider: str
) -> Iterator[Race]:
    switched("github", expiry="expiring")
    account = f"racer-{user.username}-{service.port}"
    sandbox.control.add_account(provider, account)
    states = sandbox.watch().states
    with ThreadPoolExecutor(READERS + 2) as pool:
        yield Race(service, sandbox, user, provider, account, fault, pool, states)
        sandbox.control.release(provider)


def disconnect(race: Race) -> requests.Response:
    return race.user.call("DELETE", race.path)


def reset(race: Race) -> requests.Response:
    return race.user.call("DELETE", "/api/connections/reset")


def leave(race: Race) -> requests.Response:
    return race.user.call("DELETE", "/api/auth/me", json={"password": PASSWORD})


Ending = Callable[[Race], requests.Response]
ENDINGS = pytest.mark.parametrize("ending", [disconnect, reset, leave], ids=lambda ending: ending.__name__)
EVERY_PROVIDER = pytest.mark.parametrize("provider", NAMES)
EVERY_HOLD = pytest.mark.parametrize("hold", HOLDS)


@ENDINGS
@EVERY_HOLD
@EVERY_PROVIDER
def test_a_renewal_does_not_bring_back_what_ended_meanwhile(race: Race, hold: str, ending: Ending) -> None:
    reader = race.held_reader(hold)
    assert ending(race).status_code == 200
    answer = race.end(reader)
    gone = (401, "token_invalid") if ending is leave else (404, "service_not_connected")
    assert (answer.status_code, answer.json()["code"]) == gone
    race.assert_over()


@EVERY_HOLD
@EVERY_PROVIDER
def test_a_renewal_does_not_replace_what_was_connected_again_meanwhile(race: Race, hold: str) -> None:
    reader = race.held_reader(hold)
    assert race.connect().status_code == 200
    again = tokens_of(race.service, race.user, provider_named(race.provider))
    race.assert_serves(race.end(reader))
    assert tokens_of(race.service, race.user, provider_named(race.provider)) == again
    race.assert_connected_once()
    assert disconnect(race).status_code == 200
    race.assert_over()


@EVERY_HOLD
@EVERY_PROVIDER
def test_a_renewal_of_an_account_that_was_replaced_meanwhile_ends(race: Race, hold: str) -> None:
    other = f"other-{race.account}"
    race.sandbox.control.add_account(race.provider, other)
    reader = race.held_reader(hold)
    assert race.connect("?replace=true", account=other).status_code == 200
    race.assert_serves(race.end(reader))
    race.assert_connected_once(other)
    if race.provider != "spotify":
        assert race.live_access_tokens() == []
    assert disconnect(race).status_code == 200
    race.assert_over()


@ENDINGS
@EVERY_HOLD
@EVERY_PROVIDER
def test_a_callback_does_not_bring_back_what_ended_meanwhile(race: Race, hold: str, ending: Ending) -> None:
    assert race.connect().status_code == 200
    callback = race.held_callback(hold)
    assert ending(race).status_code == 200
    answer = race.end(callback)
    assert answer.json()["code"] in {"oauth_failed", "token_exchange_failed", "invalid_session"}
    race.assert_over()


@EVERY_HOLD
@EVERY_PROVIDER
def test_a_first_callback_of_a_user_who_leaves_meanwhile_ends(race: Race, hold: str) -> None:
    callback = race.held_callback(hold)
    assert leave(race).status_code == 200
    answer = race.end(callback)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_session")
    race.assert_over()


@EVERY_HOLD
@pytest.mark.parametrize("provider", ["discord"])
def test_a_first_callback_of_a_user_who_is_shut_out_meanwhile_ends(race: Race, hold: str) -> None:
    callback = race.held_callback(hold)
    with race.service.app.app_context():
        accounts.set_disabled(username=race.user.username, disabled=True)
    answer = race.end(callback)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_session")
    race.assert_over()


@EVERY_HOLD
@EVERY_PROVIDER
def test_a_first_callback_that_outlasts_a_disconnect_connects_whole(race: Race, hold: str) -> None:
    callback = race.held_callback(hold)
    assert disconnect(race).json()["code"] == "service_not_connected"
    assert reset(race).json()["disconnected_count"] == 0
    assert race.end(callback).status_code == 200
    race.assert_connected_once()
    assert disconnect(race).status_code == 200
    race.assert_over()


@EVERY_HOLD
@EVERY_PROVIDER
@pytest.mark.parametrize("connected", [False, True])
def test_a_second_callback_meanwhile_leaves_one_grant(race: Race, hold: str, connected: bool) -> None:
    if connected:
        assert race.connect().status_code == 200
    callback = race.held_callback(hold)
    assert race.connect().status_code == 200
    assert race.end(callback).status_code == 200
    race.assert_connected_once()
    assert disconnect(race).status_code == 200
    race.assert_over()


@EVERY_HOLD
@EVERY_PROVIDER
def test_a_callback_that_another_account_came_before_changes_nothing(race: Race, hold: str) -> None:
    other = f"other-{race.account}"
    race.sandbox.control.add_account(race.provider, other)
    callback = race.held_callback(hold)
    assert race.connect(account=other).status_code == 200
    answer = race.end(callback)
    assert (answer.status_code, answer.json()["code"]) == (409, "account_mismatch")
    race.assert_connected_once(other)
    if race.provider != "spotify":
        assert race.live_access_tokens() == []


@pytest.mark.parametrize("provider", ["google", "facebook", "discord"])
@EVERY_HOLD
def test_what_is_connected_again_while_the_old_one_is_ended_is_not_believed(race: Race, hold: str) -> None:
    """The provider ends all tokens of the account, the new ones with them: that is found out at once."""
    assert race.connect().status_code == 200
    ended = race.held("revoke", hold, lambda: disconnect(race))
    assert race.connect().status_code == 200
    assert race.end(ended).json()["revocation"] == "revoked"
    answer = race.user.call("GET", f"{race.path}/token")
    if hold == "hold":
        assert (answer.status_code, answer.json()["code"]) == (409, "reconnect_required")
    else:
        race.assert_serves(answer)


@pytest.mark.parametrize("provider", ["github", "discord"])
def test_a_user_who_leaves_while_a_renewal_is_stored_leaves_nothing_behind(race: Race) -> None:
    """The renewal holds the row's lock, has stored the new tokens, and has not committed them."""
    assert race.connect().status_code == 200
    [rotated] = race.sandbox.control.rotate(race.provider, race.account)
    with race.service.app.app_context():
        mine = select(Grant).where(Grant.user_id == race.user.id).with_for_update()
        grant = db.session.scalars(mine).one()
        grant.seal(vault, Tokens(grant.open(vault).access_token, rotated["new"]))
        grant.generation += 1
        db.session.flush()
        leaving = race.pool.submit(lambda: leave(race))
        wait_until(lambda: waits_for_a_lock(race.service))
        db.session.commit()
    assert leaving.result(PATIENCE).status_code == 200
    race.assert_over()


def waits_for_a_lock(service: Service) -> bool:
    """Tell whether somebody waits for a row that another transaction has; SQLite does not tell."""
    with service.app.app_context():
        if db.engine.dialect.name == "sqlite":
            return True
        waiting = text(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        with db.engine.connect() as beside:
            return bool(beside.scalar(waiting))


@pytest.mark.parametrize("provider", ["github"])
def test_fifty_readers_of_one_expired_token_renew_it_once(race: Race) -> None:
    assert race.connect().status_code == 200
    race.make_due()
    calls = race.sandbox.calls()
    race.fault(race.provider, "refresh", "hold")
    readers = [race.pool.submit(race.user.call, "GET", f"{race.path}/token") for _ in range(READERS)]
    wait_until(lambda: race.sandbox.control.faults(race.provider)["held"] == 1)
    race.sandbox.control.release(race.provider)
    answers = [reader.result(PATIENCE) for reader in readers]
    assert [answer.status_code for answer in answers] == [200] * READERS
    tokens = {answer.json()["access_token"] for answer in answers}
    assert tokens == set(race.live_access_tokens()) and len(tokens) == 1
    assert (calls.of(race.provider), calls.of(race.provider, "refresh")) == (1, 1)
