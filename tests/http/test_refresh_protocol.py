"""One renewal for a crowd: leases, generations, the spool, and what is left by processes that are gone."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import requests
from sqlalchemy.exc import OperationalError

from app.extensions import spool
from app.models import Grant
from app.oauth.outbound import Deadline
from app.providers import provider_named
from app.services import keeping, leases, refreshing, spooled, tokens
from app.services.keeping import Fresh
from app.spool import Place
from tests.support.browser import Agent
from tests.support.providers import Fault, Sandbox, Switched
from tests.support.rows import actions_of, ago, change_grant, expire_token, grant_of, tokens_of
from tests.support.service import Service, StartService, User, twin_of
from tests.support.serving import StandIn

DISCORD = provider_named("discord")
PATH = "/api/connections/discord/token"


FRESH = Fresh(
    user_id=0,
    provider="discord",
    account_id="somebody",
    access_token="new",
    refresh_token="newer",
    at=ago(),
    expires_at=ago(days=-7),
    refresh_expires_at=None,
    scopes_granted=("email", "identify"),
)


@pytest.fixture(autouse=True)
def a_retired_token_kills_its_family(switched: Switched) -> None:
    switched("discord", strict_reuse=True)


@pytest.fixture
def expired(user: User, agent: Agent, service: Service, sandbox: Sandbox) -> User:
    """A user whose token has expired."""
    assert agent.connect(user, "discord").status_code == 200
    expire_token(service, sandbox, user, "discord")
    return user


def is_live(sandbox: Sandbox, answer: requests.Response) -> bool:
    assert answer.status_code == 200, answer.text
    return sandbox.control.token_state("discord", answer.json()["access_token"]) == "live"


@contextmanager
def held(sandbox: Sandbox, fault: Fault) -> Iterator[None]:
    """Hold the next renewal at its provider until the block ends; it is there when the block begins."""
    fault("discord", "refresh", "hold")
    yield
    sandbox.control.release("discord")


def wait_until_held(sandbox: Sandbox, provider: str = "discord") -> None:
    end = time.monotonic() + 10
    while not sandbox.control.faults(provider)["held"]:
        assert time.monotonic() < end
        time.sleep(0.02)


def place_of(service: Service, user: User) -> Place:
    grant = grant_of(service, user)
    return Place(grant.id, grant.incarnation, grant.generation)


def answered(service: Service, sandbox: Sandbox, user: User) -> Fresh:
    """Refresh at the provider as a process would that dies before it stores the answer; return that."""
    grant, held = grant_of(service, user), tokens_of(service, user, DISCORD)
    new = sandbox.refresh("discord", service.environ, held[1])
    at = ago()
    return Fresh(
        user_id=user.id,
        provider="discord",
        account_id=grant.account_id,
        access_token=new["access_token"],
        refresh_token=new["refresh_token"],
        at=at,
        expires_at=ago(days=-7),
        refresh_expires_at=None,
        scopes_granted=("email", "identify"),
    )


def put_in_spool(service: Service, place: Place, fresh: Fresh) -> None:
    with service.app.app_context():
        assert spooled.put(spool.reserve(), place, fresh) is not None


def waiting(service: Service, place: Place | None = None) -> int:
    with service.app.app_context():
        return sum(place in (None, one.place) for one in spool.entries())


def replay(service: Service) -> int:
    with service.app.app_context():
        return spooled.replay()


def broken_off(service: Service, user: User, *, attempted: bool, node: str, seconds_ago: float) -> None:
    """Leave the row as a process does that was killed under its lease."""
    change_grant(
        service,
        user,
        lease_owner="0" * 32,
        lease_node=node,
        lease_until=ago(seconds=seconds_ago),
        attempted_at=ago(seconds=seconds_ago + 20) if attempted else None,
    )


def node_of(service: Service) -> str:
    with service.app.app_context():
        return spool.node


class TestCrowd:
    def test_one_renewal_serves_everybody_in_two_processes(
        self, expired: User, service: Service, start_service: StartService, sandbox: Sandbox
    ) -> None:
        second = start_service(**twin_of(service))
        calls = sandbox.calls()

        def ask(number: int) -> requests.Response:
            return (service, second)[number % 2].call("GET", PATH, headers=expired.headers)

        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(ask, range(16)))
        assert all(is_live(sandbox, answer) for answer in answers)
        assert len({answer.json()["access_token"] for answer in answers}) == 1
        assert calls.of("discord", "refresh") == 1
        assert actions_of(service, expired).count("token.read") == 16

    def test_who_has_no_lease_waits_and_does_not_call(
        self, expired: User, sandbox: Sandbox, fault: Fault
    ) -> None:
        calls = sandbox.calls()
        with ThreadPoolExecutor(3) as pool:
            with held(sandbox, fault):
                readers = [pool.submit(expired.call, "GET", PATH) for _ in range(3)]
                wait_until_held(sandbox)
                time.sleep(0.5)
                assert not any(reader.done() for reader in readers) and calls.of("discord", "refresh") == 1
            assert all(is_live(sandbox, reader.result()) for reader in readers)
        assert calls.of("discord", "refresh") == 1

    def test_a_failed_second_look_gives_the_lease_back(
        self, expired: User, service: Service, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The database did not answer for a moment: the next one need not wait for the lease to end."""

        def fail(*_: object) -> None:
            raise OperationalError("SELECT", {}, psycopg.OperationalError("lost"))

        begin = refreshing._begin
        for broken in (fail, lambda lease: (begin(lease), fail())):  # before its commit, and after
            with monkeypatch.context() as patched:
                patched.setattr(refreshing, "_begin", broken)
                answer = expired.call("GET", PATH)
            assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
            found = grant_of(service, expired)
            assert (found.lease_until, found.attempted_at) == (None, None)
        assert not list(Path(service.environ["SPOOL_DIR"]).glob("*.reserved"))
        assert is_live(sandbox, expired.call("GET", PATH))

    def test_a_provider_may_use_the_whole_of_half_a_lease(
        self, expired: User, sandbox: Sandbox, fault: Fault
    ) -> None:
        """A single-use token is spent by a call that is cut short: silence for six seconds is no reason."""
        fault("discord", "refresh", "slow", seconds=6)
        assert is_live(sandbox, expired.call("GET", PATH))

    def test_what_others_write_meanwhile_stays(
        self, user: User, agent: Agent, service: Service, sandbox: Sandbox, fault: Fault
    ) -> None:
        """Who was warned of a grant's end while its token was renewed is not warned again."""
        agent.connect(user, "spotify")
        expire_token(service, sandbox, user, "spotify")
        fault("spotify", "refresh", "hold")
        used = ago(seconds=30)
        with ThreadPoolExecutor(1) as pool:
            reader = pool.submit(user.call, "GET", "/api/connections/spotify/token")
            wait_until_held(sandbox, "spotify")
            change_grant(service, user, "spotify", warned_days=7, last_used_at=used)
            sandbox.control.release("spotify")
            assert reader.result().status_code == 200
        found = grant_of(service, user, "spotify")
        assert (found.generation, found.warned_days, found.last_used_at) == (2, 7, used)
        assert found.lease_owner is None and actions_of(service, user).count("grant.refresh") == 1

    def test_everything_that_is_kept_is_written(self, expired: User, service: Service) -> None:
        """One statement names its columns: none that an answer changes may be missing."""
        nothing = {**dict.fromkeys(keeping.KEPT), "generation": 1, "scopes_granted": [], "attempts": 7}
        seen, columns = grant_of(service, expired), list(Grant.__table__.c.keys())
        with service.app.app_context():
            for name, value in {**nothing, "failing_days": 7, "sealed": b"", "renewable": False}.items():
                setattr(seen, name, value)
            before = {name: getattr(seen, name) for name in columns}
            fresh = replace(FRESH, user_id=expired.id, refresh_expires_at=ago(days=-9))
            keeping.keep(seen, fresh, consented=False)
        changed = {name for name, value in before.items() if getattr(seen, name) != value}
        assert changed <= set(keeping.KEPT) and {"sealed", "attempts", "due_at"} <= changed

    @pytest.mark.parametrize("charset", ["utf-16", "cp037", "idna", "no such"])
    def test_what_the_header_says_of_the_text_loses_no_answer(
        self, expired: User, service: Service, start_service: StartService, charset: str
    ) -> None:
        body = b'{"access_token": "new", "refresh_token": "newer", "expires_in": 3600}'
        stand_in = StandIn(body=body, media_type=f"application/json; charset={charset}")
        second = start_service(**{**twin_of(service), "DISCORD_TOKEN_URL": stand_in.url})
        answer = second.call("GET", PATH, headers=expired.headers)
        stand_in.close()
        assert answer.status_code == 200 and answer.json()["access_token"] == "new"

    def test_waiting_has_an_end(
        self, expired: User, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tokens, "LONGEST_WAIT", 0.6)
        broken_off(service, expired, attempted=True, node=node_of(service), seconds_ago=-20)
        began = time.monotonic()
        answer = expired.call("GET", PATH)
        assert (answer.status_code, answer.json()["code"]) == (503, "token_unavailable")
        assert int(answer.headers["Retry-After"]) >= 1 and 0.5 < time.monotonic() - began < 5

    def test_a_living_token_is_served_when_waiting_ends(
        self, expired: User, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tokens, "LONGEST_WAIT", 0.3)
        broken_off(service, expired, attempted=True, node=node_of(service), seconds_ago=-20)
        change_grant(service, expired, expires_at=ago(seconds=-30))
        body = expired.call("GET", PATH).json()
        assert body["access_token"] == tokens_of(service, expired, DISCORD)[0] and body["warning"]

    def test_nobody_waits_for_what_is_renewed_ahead(
        self, user: User, agent: Agent, service: Service, sandbox: Sandbox
    ) -> None:
        """The worker is at it; the token has long to live, and there is nothing to warn of."""
        agent.connect(user, "discord")
        broken_off(service, user, attempted=True, node="another", seconds_ago=-15)
        began = time.monotonic()
        body = user.call("GET", PATH).json()
        assert body["access_token"] == tokens_of(service, user, DISCORD)[0] and body["warning"] is None
        assert time.monotonic() - began < 2

    def test_no_transaction_is_open_while_the_provider_is_asked(
        self, expired: User, service: Service, sandbox: Sandbox, fault: Fault
    ) -> None:
        """On SQLite another's write would wait for it, on PostgreSQL this row's."""
        with ThreadPoolExecutor(1) as pool:
            with held(sandbox, fault):
                reader = pool.submit(expired.call, "GET", PATH)
                wait_until_held(sandbox)
                began = time.monotonic()
                change_grant(service, expired, account_label="written meanwhile")
                assert time.monotonic() - began < 2
                found = grant_of(service, expired)
                assert found.attempted_at is not None and found.attempts == 1
                assert found.lease_node == node_of(service) and found.lease_until is not None
            assert is_live(sandbox, reader.result())


class TestBrokenOff:
    """A lease whose holder is gone."""

    def test_without_an_attempt_anyone_goes_on(
        self, expired: User, service: Service, sandbox: Sandbox
    ) -> None:
        broken_off(service, expired, attempted=False, node="another", seconds_ago=1)
        assert is_live(sandbox, expired.call("GET", PATH))

    @pytest.mark.parametrize(("node", "seconds"), [("own", 1), ("another", 601)])
    def test_with_an_attempt_its_node_goes_on_and_others_after_ten_minutes(
        self, expired: User, service: Service, sandbox: Sandbox, node: str, seconds: int
    ) -> None:
        calls = sandbox.calls()
        node = node_of(service) if node == "own" else node
        broken_off(service, expired, attempted=True, node=node, seconds_ago=seconds)
        assert is_live(sandbox, expired.call("GET", PATH)) and calls.of("discord", "refresh") == 1

    @pytest.mark.parametrize(("left", "status"), [(30, 200), (-1, 503)])
    def test_another_node_does_not_call_before(
        self, expired: User, service: Service, sandbox: Sandbox, left: int, status: int
    ) -> None:
        broken_off(service, expired, attempted=True, node="another", seconds_ago=590)
        change_grant(service, expired, expires_at=ago(seconds=-left))
        calls, began = sandbox.calls(), time.monotonic()
        answer = expired.call("GET", PATH)
        assert answer.status_code == status and calls.of("discord", "refresh") == 0
        assert time.monotonic() - began < 5, "it does not wait for what will not come"
        assert answer.json()["warning"] if status == 200 else int(answer.headers["Retry-After"]) in (9, 10)

    def test_how_long_others_wait_is_a_setting(
        self, expired: User, service: Service, start_service: StartService, sandbox: Sandbox
    ) -> None:
        second = start_service(**twin_of(service), LEASE_TAKEOVER_AFTER="5")
        broken_off(service, expired, attempted=True, node="another", seconds_ago=6)
        assert is_live(sandbox, second.call("GET", PATH, headers=expired.headers))

    @pytest.mark.parametrize("left", [30, 2400])
    def test_a_living_github_token_may_be_spent(
        self, user: User, agent: Agent, service: Service, switched: Switched, left: int
    ) -> None:
        """Its rotation ends the access token too: what may have been rotated is not handed out.

        A worker renews well ahead, so that the token may have long to live.
        """
        switched("github", expiry="expiring")
        agent.connect(user, "github")
        change_grant(service, user, token_at=ago(hours=7), expires_at=ago(seconds=-left))
        broken_off(service, user, attempted=True, node="another", seconds_ago=1)
        assert user.call("GET", "/api/connections/github/token").status_code == 503

    def test_a_spent_token_that_is_tried_again_ends_in_a_word(
        self, expired: User, service: Service, sandbox: Sandbox
    ) -> None:
        """The provider rotated, and the answer was lost with its process: never silence, never a storm."""
        answered(service, sandbox, expired)
        broken_off(service, expired, attempted=True, node=node_of(service), seconds_ago=1)
        calls = sandbox.calls()
        for _ in range(3):
            assert expired.call("GET", PATH).json()["code"] == "reconnect_required"
        assert calls.of("discord", "refresh") == 1 and actions_of(service, expired).count("grant.end") == 1


class TestSpool:
    def test_nothing_is_left_of_a_renewal_that_went_well(self, expired: User, service: Service) -> None:
        place = place_of(service, expired)
        assert expired.call("GET", PATH).status_code == 200
        assert waiting(service, place) == 0
        assert not list(Path(service.environ["SPOOL_DIR"]).glob("*.reserved"))

    def test_a_reader_finds_the_answer_of_a_dead_process(
        self, expired: User, service: Service, sandbox: Sandbox
    ) -> None:
        place = place_of(service, expired)
        put_in_spool(service, place, answered(service, sandbox, expired))
        broken_off(service, expired, attempted=True, node=node_of(service), seconds_ago=1)
        calls = sandbox.calls()
        assert is_live(sandbox, expired.call("GET", PATH))
        assert calls.of("discord", "refresh") == 0 and waiting(service, place) == 0

    def test_a_replay_does_not_wait_for_the_lease(
        self, expired: User, service: Service, sandbox: Sandbox
    ) -> None:
        place = place_of(service, expired)
        put_in_spool(service, place, answered(service, sandbox, expired))
        broken_off(service, expired, attempted=True, node=node_of(service), seconds_ago=-15)
        assert replay(service) == 1 and waiting(service, place) == 0
        assert grant_of(service, expired).generation == place.generation + 1
        assert is_live(sandbox, expired.call("GET", PATH))

    def test_an_answer_that_turns_up_undoes_the_end(
        self, expired: User, service: Service, sandbox: Sandbox, switched: Switched
    ) -> None:
        switched("discord", strict_reuse=False)
        place, fresh = place_of(service, expired), answered(service, sandbox, expired)
        assert expired.call("GET", PATH).json()["code"] == "reconnect_required"
        put_in_spool(service, place, fresh)
        assert replay(service) == 1
        assert is_live(sandbox, expired.call("GET", PATH))
        assert actions_of(service, expired)[-2:] == ["grant.restore", "token.read"]

    def test_an_answer_that_is_stored_already_is_only_dropped(
        self, expired: User, service: Service, sandbox: Sandbox
    ) -> None:
        """Its process died after the commit: the tokens are live here, and must not be taken for spare."""
        place, fresh = place_of(service, expired), answered(service, sandbox, expired)
        for _ in range(2):
            put_in_spool(service, place, fresh)
            replay(service)
        assert waiting(service, place) == 0 and "grant.spare" not in actions_of(service, expired)
        assert is_live(sandbox, expired.call("GET", PATH))

    @pytest.mark.parametrize("how", ["deleted", "another incarnation"])
    def test_the_answer_of_a_row_that_is_gone_is_ended(
        self,
        expired: User,
        service: Service,
        start_service: StartService,
        sandbox: Sandbox,
        tmp_path: Path,
        how: str,
    ) -> None:
        place, fresh = place_of(service, expired), answered(service, sandbox, expired)
        put_in_spool(service, place, fresh)
        if how == "deleted":
            elsewhere = start_service(**{**twin_of(service), "SPOOL_DIR": str(tmp_path / "another node")})
            deleted = elsewhere.call("DELETE", "/api/connections/discord", headers=expired.headers)
            assert deleted.status_code == 200
        else:
            change_grant(service, expired, incarnation="f" * 32, account_id="somebody else")
        assert sandbox.control.token_state("discord", fresh.access_token) == "live"
        assert replay(service) == 0 and waiting(service, place) == 0
        assert sandbox.control.token_state("discord", fresh.access_token) == "revoked"
        assert "grant.spare" in actions_of(service, expired)

    def test_a_waiting_reader_finds_the_answer_before_the_lease_ends(
        self, expired: User, service: Service, sandbox: Sandbox
    ) -> None:
        """Its process died between the disk and the database: a second is enough to tell."""
        place = place_of(service, expired)
        put_in_spool(service, place, answered(service, sandbox, expired))
        broken_off(service, expired, attempted=True, node=node_of(service), seconds_ago=-19)
        began = time.monotonic()
        assert is_live(sandbox, expired.call("GET", PATH))
        assert time.monotonic() - began < 5 and waiting(service, place) == 0

    def test_the_answer_to_an_older_token_is_forgotten_at_the_next_renewal(
        self, user: User, agent: Agent, service: Service, sandbox: Sandbox, switched: Switched
    ) -> None:
        """Its process died after the commit: later nobody could tell that it was stored."""
        agent.connect(user, "discord")
        place, fresh = place_of(service, user), answered(service, sandbox, user)
        put_in_spool(service, place, fresh)
        with service.app.app_context():
            assert spooled.settle(place, fresh, Deadline())
        expire_token(service, sandbox, user, "discord")
        assert is_live(sandbox, user.call("GET", PATH))
        assert waiting(service, place) == 0 and "grant.spare" not in actions_of(service, user)

    def test_a_spare_token_is_not_refreshed_where_its_account_lives(
        self, user: User, agent: Agent, service: Service, sandbox: Sandbox, switched: Switched
    ) -> None:
        """GitHub ends single tokens, live ones; to refresh a spent pair could end the pair that lives."""
        switched("github", expiry="expiring", strict_reuse=True)
        agent.connect(user, "github")
        github, grant = provider_named("github"), grant_of(service, user)
        place, spent = place_of(service, user), tokens_of(service, user, github)
        expire_token(service, sandbox, user, "github")
        kept = user.call("GET", "/api/connections/github/token").json()["access_token"]
        late = Fresh(
            user_id=user.id,
            provider="github",
            account_id=grant.account_id,
            access_token="late",
            refresh_token=spent[1],
            at=ago(hours=9),
            expires_at=ago(hours=1),
            refresh_expires_at=None,
            scopes_granted=(),
        )
        put_in_spool(service, place, late)
        assert replay(service) == 0 and waiting(service, place) == 0
        assert sandbox.control.token_state("github", kept) == "live"

    def test_an_older_answer_is_dropped_and_the_row_is_kept(
        self, user: User, agent: Agent, service: Service, sandbox: Sandbox
    ) -> None:
        account = f"older-{user.username}"
        sandbox.control.add_account("discord", account)
        agent.connect(user, "discord", account=account)
        place, fresh = place_of(service, user), answered(service, sandbox, user)
        put_in_spool(service, place, fresh)
        assert agent.connect(user, "discord", account=account).status_code == 200
        kept = grant_of(service, user)
        assert replay(service) == 0 and waiting(service, place) == 0
        assert grant_of(service, user).sealed == kept.sealed
        states = {sandbox.control.token_state("discord", one) for one in tokens_of(service, user, DISCORD)}
        assert states == {"live"}, "ending the spare one would have ended these"

    def test_an_answer_moved_to_another_row_does_not_open(
        self, expired: User, service: Service, sandbox: Sandbox
    ) -> None:
        other = service.user()
        assert Agent(service).connect(other, "discord").status_code == 200
        place, target = place_of(service, expired), place_of(service, other)
        put_in_spool(service, place, answered(service, sandbox, expired))
        kept = grant_of(service, other).sealed
        with service.app.app_context():
            entry = spool.entries(place.incarnation)[0]
            name = f"{target.row_id}.{target.incarnation}.{target.generation}.{'a' * 16}.answer"
            entry.path.rename(entry.path.with_name(name))
        assert replay(service) == 0
        assert grant_of(service, other).sealed == kept and waiting(service, target) == 1
        with service.app.app_context():
            spool.entries(target.incarnation)[0].drop()

    def test_the_spool_holds_no_plain_token_and_is_private(
        self, expired: User, service: Service, sandbox: Sandbox
    ) -> None:
        place, fresh = place_of(service, expired), answered(service, sandbox, expired)
        put_in_spool(service, place, fresh)
        folder = Path(service.environ["SPOOL_DIR"])
        with service.app.app_context():
            path = spool.entries(place.incarnation)[0].path
        assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert fresh.access_token.encode() not in path.read_bytes() and "token" not in repr(fresh)
        assert replay(service) == 1

    def test_a_spool_that_refuses_keeps_the_provider_from_being_called(
        self, expired: User, service: Service, start_service: StartService, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("a folder cannot be made beneath it")
        refused = {**twin_of(service), "SPOOL_DIR": str(tmp_path / "file" / "spool")}
        second = start_service(**refused)
        change_grant(service, expired, expires_at=ago(seconds=-30))
        living = second.call("GET", PATH, headers=expired.headers)
        assert living.status_code == 200 and "operator" in living.json()["warning"]
        change_grant(service, expired, expires_at=ago(seconds=1), retry_at=None)
        calls = sandbox.calls()
        answer = second.call("GET", PATH, headers=expired.headers)
        assert (answer.status_code, answer.json()["code"]) == (503, "token_unavailable")
        assert calls.of("discord", "refresh") == 0
        change_grant(service, expired, retry_at=None)
        assert is_live(sandbox, expired.call("GET", PATH))


class TestTakenOver:
    """A holder that was held up for longer than its lease."""

    def late(self, pool: ThreadPoolExecutor, user: User, sandbox: Sandbox) -> Future[requests.Response]:
        reader = pool.submit(user.call, "GET", PATH)
        wait_until_held(sandbox)
        return reader

    def test_its_answer_is_spare_once_another_has_stored_one(
        self, expired: User, service: Service, sandbox: Sandbox, fault: Fault
    ) -> None:
        with ThreadPoolExecutor(1) as pool:
            with held(sandbox, fault):
                late = self.late(pool, expired, sandbox)
                change_grant(service, expired, lease_until=ago(seconds=1))
                assert is_live(sandbox, expired.call("GET", PATH))
                generation, kept = grant_of(service, expired).generation, tokens_of(service, expired, DISCORD)
            late.result()
        assert grant_of(service, expired).generation == generation
        assert tokens_of(service, expired, DISCORD) == kept
        assert grant_of(service, expired).ended_at is None, "a lost race marks nothing"

    def test_it_does_not_write_over_a_later_token(
        self, user: User, agent: Agent, service: Service, sandbox: Sandbox, fault: Fault
    ) -> None:
        """Spotify answers both: the one that comes too late is dropped."""
        agent.connect(user, "spotify")
        expire_token(service, sandbox, user, "spotify")
        path = "/api/connections/spotify/token"
        fault("spotify", "refresh", "hold")
        with ThreadPoolExecutor(1) as pool:
            late = pool.submit(user.call, "GET", path)
            wait_until_held(sandbox, "spotify")
            change_grant(service, user, lease_until=ago(seconds=1))
            kept = user.call("GET", path).json()["access_token"]
            sandbox.control.release("spotify")
            assert late.result().json()["access_token"] == kept
        found = grant_of(service, user)
        assert found.generation == 2 and tokens_of(service, user, provider_named("spotify"))[0] == kept
        assert actions_of(service, user).count("grant.spare") == 1

    def test_its_failure_is_not_noted(
        self, expired: User, service: Service, sandbox: Sandbox, fault: Fault
    ) -> None:
        fault("discord", "refresh", "hold")
        with ThreadPoolExecutor(1) as pool:
            late = self.late(pool, expired, sandbox)
            change_grant(service, expired, lease_owner="f" * 32)
            sandbox.control.ban("discord", grant_account(sandbox, service, expired))
            sandbox.control.release("discord")
            change_grant(service, expired, lease_until=ago(seconds=1), attempted_at=None)
            answer = late.result()
        assert answer.json()["code"] == "reconnect_required", "it asked again, under a lease of its own"
        assert actions_of(service, expired).count("grant.end") == 1


def grant_account(sandbox: Sandbox, service: Service, user: User) -> str:
    """Return the sandbox's key of the account that this user is connected with."""
    id = grant_of(service, user).account_id
    return next(str(row["key"]) for row in sandbox.control.accounts("discord") if row["profile"]["id"] == id)


class TestLease:
    """What the database is asked, and what it refuses."""

    @pytest.fixture
    def seen(self, expired: User, service: Service) -> Grant:
        return grant_of(service, expired)

    def take(self, service: Service, seen: Grant) -> leases.Lease | None:
        with service.app.app_context():
            return leases.take(seen)

    def is_held(self, service: Service, lease: leases.Lease) -> bool:
        with service.app.app_context():
            return leases.held(lease) is not None

    def test_there_is_one(self, service: Service, seen: Grant) -> None:
        lease = self.take(service, seen)
        assert lease is not None and self.is_held(service, lease)
        assert self.take(service, seen) is None

    def test_it_belongs_to_its_owner_generation_and_row(self, service: Service, seen: Grant) -> None:
        lease = self.take(service, seen)
        assert lease is not None
        place, owner = lease.place, lease.owner
        for other in (
            leases.Lease(place, "f" * 32),
            leases.Lease(Place(place.row_id, place.incarnation, place.generation + 1), owner),
            leases.Lease(Place(place.row_id, "f" * 32, place.generation), owner),
            leases.Lease(Place(place.row_id + 10**6, place.incarnation, place.generation), owner),
        ):
            assert not self.is_held(service, other)

    @pytest.mark.parametrize(
        "changes",
        [
            {"generation": 9},
            {"incarnation": "f" * 32},
            {"retry_at": ago(hours=-1)},
            {"ended_at": ago(hours=1)},
            {"lease_until": ago(hours=-1)},
        ],
        ids=lambda changes: next(iter(changes)),
    )
    def test_it_is_not_to_be_had_of_what_has_changed(
        self, service: Service, expired: User, seen: Grant, changes: dict[str, object]
    ) -> None:
        change_grant(service, expired, **changes)
        assert self.take(service, seen) is None

    def test_it_is_not_to_be_had_of_what_another_node_has_just_broken_off(
        self, service: Service, expired: User, seen: Grant
    ) -> None:
        broken_off = {"attempted_at": ago(seconds=30), "lease_until": ago(seconds=10)}
        change_grant(service, expired, **broken_off, lease_node="another")
        assert self.take(service, seen) is None

    def test_what_changes_before_the_second_look_is_not_renewed(
        self, service: Service, expired: User, sandbox: Sandbox, seen: Grant
    ) -> None:
        lease, calls = self.take(service, seen), sandbox.calls()
        assert lease is not None
        change_grant(service, expired, generation=seen.generation + 1)
        with service.app.app_context():
            assert refreshing.renew(lease, Deadline()) is None
        found = grant_of(service, expired)
        assert calls.of("discord") == 0 and (found.attempts, found.attempted_at) == (0, None)
