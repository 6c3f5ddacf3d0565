"""A token that works now: fresh as it is, renewed when due, by each provider's own rules."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from app.providers import PROVIDERS, provider_named
from app.services import services
from tests.support.browser import Agent
from tests.support.providers import Fault, Sandbox, Switched
from tests.support.rows import actions_of, ago, change_grant, expire_token, grant_of, tokens_of
from tests.support.service import Service, StartService, User

NAMES = {provider.name: provider.service.name for provider in PROVIDERS}
DAY, HOUR = 86400.0, 3600.0  # seconds
REFRESHING = ["google", "github", "spotify", "discord"]


def path(service_name: str, query: str = "") -> str:
    return f"/api/connections/{service_name}/token{query}"


@pytest.fixture(autouse=True)
def github_expires(switched: Switched) -> None:
    switched("github", expiry="expiring")


@pytest.mark.parametrize("provider", NAMES)
def test_a_fresh_token_is_handed_out_as_it_is(
    user: User, agent: Agent, service: Service, sandbox: Sandbox, provider: str
) -> None:
    agent.connect(user, NAMES[provider])
    calls = sandbox.calls()
    answer = user.call("GET", path(NAMES[provider]))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "expires_at", "scopes", "warning"}
    assert body["access_token"] == tokens_of(service, user, provider_named(provider))[0]
    assert (body["token_type"], body["warning"]) == ("Bearer", None)
    assert body["scopes"] == grant_of(service, user, provider).scopes_granted
    assert datetime.fromisoformat(body["expires_at"]) > datetime.now(UTC)
    assert answer.headers["Cache-Control"] == "no-store"
    assert calls.of(provider) == 0
    assert actions_of(service, user)[-1] == "token.read"


@pytest.mark.parametrize("provider", REFRESHING)
def test_an_expired_token_is_renewed(
    user: User, agent: Agent, service: Service, sandbox: Sandbox, provider: str
) -> None:
    agent.connect(user, NAMES[provider])
    old = expire_token(service, sandbox, user, provider)
    body = user.call("GET", path(NAMES[provider])).json()
    assert body["access_token"] != old and body["warning"] is None
    assert sandbox.control.token_state(provider, body["access_token"]) == "live"
    assert user.call("GET", path(NAMES[provider])).json()["access_token"] == body["access_token"]


def test_its_seal_is_opened_once(user: User, agent: Agent, service: Service, opened: list[int]) -> None:
    agent.connect(user, "spotify")
    opened.clear()
    assert user.call("GET", path("spotify")).status_code == 200
    assert opened == [grant_of(service, user, "spotify").id]


def test_gmail_and_drive_are_renewed_once_for_both(
    user: User, agent: Agent, service: Service, sandbox: Sandbox
) -> None:
    agent.connect(user, "gmail")
    expire_token(service, sandbox, user, "google")
    calls = sandbox.calls()
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda name: user.call("GET", path(name)), ["gmail", "drive"] * 3))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["access_token"] for answer in answers}) == 1
    assert calls.of("google", "refresh") == 1


@pytest.mark.parametrize(
    ("query", "lived", "left", "renewed"),
    [
        ("", 3540, 61, False),
        ("", 3540, 59, True),
        ("?min_ttl=600", 3000, 610, False),
        ("?min_ttl=600", 3000, 590, True),
        ("?min_ttl=0", 3599, 3, False),
        ("?min_ttl=3600", 1790, 1810, False),  # half of its life is long enough
        ("?min_ttl=3600", 1810, 1790, True),
        ("", 45, 55, False),  # of a token that lives for 100 seconds in all
        ("", 55, 45, True),
    ],
)
def test_min_ttl_says_when_a_token_is_due(
    user: User, agent: Agent, service: Service, query: str, lived: int, left: int, renewed: bool
) -> None:
    agent.connect(user, "spotify")
    change_grant(service, user, token_at=ago(seconds=lived), expires_at=ago(seconds=-left))
    before = tokens_of(service, user, provider_named("spotify"))[0]
    body = user.call("GET", path("spotify", query)).json()
    assert (body["access_token"] != before, body["warning"]) == (renewed, None)


@pytest.mark.parametrize(
    "value", ["", "-1", "+1", "1.5", "1e3", "x", "\u0661", "99999999999", "2147483648", "0x10", "1_0", " 1"]
)
def test_min_ttl_is_a_plain_number(user: User, value: str) -> None:
    answer = user.call("GET", path("spotify"), params={"min_ttl": value})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_query")
    assert set(answer.json()["details"]) == {"min_ttl"}


def test_min_ttl_is_given_once(user: User) -> None:
    answer = user.call("GET", path("spotify", "?min_ttl=1&min_ttl=2"))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_query")


@pytest.mark.parametrize("name", ["gmail", "drive", "facebook", "github", "spotify", "discord"])
@pytest.mark.parametrize(("method", "what"), [("GET", "token"), ("GET", "status"), ("POST", "test")])
def test_a_service_that_is_not_connected_is_not_found(user: User, name: str, method: str, what: str) -> None:
    answer = user.call(method, f"/api/connections/{name}/{what}")
    assert (answer.status_code, answer.json()["code"]) == (404, "service_not_connected")


def test_another_users_connection_is_not_ours(user: User, agent: Agent, service: Service) -> None:
    agent.connect(user, "discord")
    other = service.user()
    for method, what in (("GET", "token"), ("GET", "status"), ("POST", "test")):
        assert other.call(method, f"/api/connections/discord/{what}").status_code == 404


@pytest.mark.parametrize("how", ["omit", "same", "rotate"])
def test_the_refresh_token_is_what_the_answer_says_or_what_it_was(
    user: User, agent: Agent, service: Service, sandbox: Sandbox, switched: Switched, how: str
) -> None:
    switched("spotify", refresh_token_on_refresh=how)
    agent.connect(user, "spotify")
    ends_at = grant_of(service, user).ends_at
    for _ in range(2):
        before = tokens_of(service, user, provider_named("spotify"))
        expire_token(service, sandbox, user, "spotify")
        assert user.call("GET", path("spotify")).status_code == 200
        after = tokens_of(service, user, provider_named("spotify"))
        assert (after[1] == before[1]) == (how != "rotate") and after[0] != before[0]
    assert grant_of(service, user).ends_at == ends_at, "six months from consent, whatever is renewed"


@pytest.mark.parametrize("provider", ["github", "discord"])
def test_rotation_is_followed(
    user: User, agent: Agent, service: Service, sandbox: Sandbox, switched: Switched, provider: str
) -> None:
    switched(provider, strict_reuse=True)
    agent.connect(user, NAMES[provider])
    for generation in (2, 3, 4):
        before = tokens_of(service, user, provider_named(provider))
        expire_token(service, sandbox, user, provider)
        assert user.call("GET", path(NAMES[provider])).status_code == 200
        after = tokens_of(service, user, provider_named(provider))
        assert not set(before) & set(after) and grant_of(service, user).generation == generation
        assert {sandbox.control.token_state(provider, token) for token in after} == {"live"}


def test_google_keeps_its_refresh_token(user: User, agent: Agent, service: Service, sandbox: Sandbox) -> None:
    agent.connect(user, "gmail")
    _, refresh_token = tokens_of(service, user, provider_named("google"))
    expire_token(service, sandbox, user, "google")
    assert user.call("GET", path("gmail")).status_code == 200
    assert tokens_of(service, user, provider_named("google"))[1] == refresh_token


def test_github_without_expiry_is_never_renewed(
    user: User, agent: Agent, service: Service, sandbox: Sandbox, switched: Switched
) -> None:
    switched("github", expiry="none")
    agent.connect(user, "github")
    calls = sandbox.calls()
    before = user.call("GET", path("github", "?min_ttl=100000")).json()
    change_grant(service, user, last_used_at=ago(days=300), ends_at=ago(days=-65))
    after = user.call("GET", path("github")).json()
    assert after["access_token"] == before["access_token"] and calls.of("github") == 0
    for moment in (
        after["expires_at"],
        user.call("GET", "/api/connections/github/status").json()["grant_expires_at"],
    ):
        assert abs(datetime.fromisoformat(moment) - ago(days=-365)) < timedelta(minutes=5), "used today"


def test_a_refresh_may_narrow_the_scopes(
    user: User, agent: Agent, service: Service, sandbox: Sandbox, fault: Fault
) -> None:
    agent.connect(user, "discord")
    expire_token(service, sandbox, user, "discord")
    narrowed = {"access_token": "narrowed", "token_type": "Bearer", "expires_in": 604800, "scope": "identify"}
    fault("discord", "refresh", "json", status=200, body=narrowed)
    assert user.call("GET", path("discord")).json()["scopes"] == ["identify"]
    assert user.call("GET", "/api/connections/discord/status").json()["scopes_missing"] == ["email"]


class TestFacebook:
    """No refresh token: the living token is exchanged for a later one, well before its end."""

    def expire_in(self, service: Service, user: User, days: float) -> None:
        due = ago(days=14 - days) if days < 14 else ago(days=-(days - 14))
        change_grant(service, user, token_at=ago(days=60 - days), expires_at=ago(days=-days), due_at=due)

    def test_it_is_left_alone_while_its_end_is_far(
        self, user: User, agent: Agent, service: Service, sandbox: Sandbox
    ) -> None:
        agent.connect(user, "facebook")
        self.expire_in(service, user, 15)
        calls = sandbox.calls()
        assert user.call("GET", path("facebook", "?min_ttl=2000000")).status_code == 200
        assert calls.of("facebook") == 0

    def test_it_is_exchanged_two_weeks_before_its_end(
        self, user: User, agent: Agent, service: Service, sandbox: Sandbox
    ) -> None:
        agent.connect(user, "facebook")
        before = tokens_of(service, user, provider_named("facebook"))
        self.expire_in(service, user, 13)
        body = user.call("GET", path("facebook")).json()
        assert body["access_token"] not in before and body["warning"] is None
        assert datetime.fromisoformat(body["expires_at"]) > ago(days=-59)
        calls = sandbox.calls()
        assert user.call("GET", path("facebook")).json() == body and calls.of("facebook") == 0

    def test_an_end_that_no_longer_moves_is_flagged(
        self, user: User, agent: Agent, service: Service, sandbox: Sandbox, switched: Switched
    ) -> None:
        switched("facebook", extend_on_reexchange=False)
        agent.connect(user, "facebook")
        sandbox.control.age("facebook", 47 * 86400)
        try:
            self.expire_in(service, user, 13)
            body = user.call("GET", path("facebook")).json()
            assert "Facebook ends this connection on" in body["warning"]
            found = user.call("GET", "/api/connections/facebook/status").json()
            assert (found["health"], found["renews_itself"]) == ("expiring", False)
            assert found["reconnect_path"] == "/api/connections/facebook"
            assert found["grant_expires_at"] == found["token_expires_at"]
            calls = sandbox.calls()
            assert user.call("GET", path("facebook")).json()["access_token"] == body["access_token"]
            assert calls.of("facebook") == 0, "asking again would not move it"
        finally:
            sandbox.control.age("facebook", -47 * 86400)

    def test_an_expired_one_is_over(
        self, user: User, agent: Agent, service: Service, sandbox: Sandbox
    ) -> None:
        agent.connect(user, "facebook")
        self.expire_in(service, user, -1)
        calls = sandbox.calls()
        for _ in range(2):
            answer = user.call("GET", path("facebook"))
            assert (answer.status_code, answer.json()["code"]) == (409, "reconnect_required")
        assert calls.of("facebook") == 0 and actions_of(service, user).count("grant.end") == 1

    def test_an_expired_one_is_not_handed_out_while_it_backs_off(
        self, user: User, agent: Agent, service: Service
    ) -> None:
        agent.connect(user, "facebook")
        later = ago(seconds=-20)
        change_grant(
            service,
            user,
            expires_at=ago(seconds=1),
            failure="outage",
            failed_at=ago(seconds=10),
            retry_at=later,
            due_at=later,
        )
        answer = user.call("GET", path("facebook"))
        assert (answer.status_code, answer.json()["code"]) == (503, "token_unavailable")

    def test_an_answer_without_an_end_is_exchanged_again_in_two_weeks(
        self, user: User, agent: Agent, service: Service, sandbox: Sandbox, switched: Switched
    ) -> None:
        switched("facebook", omit_expires_in=True)
        agent.connect(user, "facebook")
        found = grant_of(service, user)
        assert found.expires_at is None and found.due_at is not None
        assert abs(found.due_at - ago(days=-14)) < timedelta(minutes=1)
        change_grant(service, user, token_at=ago(days=15), due_at=None)
        calls = sandbox.calls()
        assert user.call("GET", path("facebook")).status_code == 200
        assert calls.of("facebook", "long_lived") == 1


def test_without_a_refresh_token_a_token_is_served_to_its_end(
    user: User, agent: Agent, service: Service, sandbox: Sandbox, fault: Fault
) -> None:
    fault("discord", "token", "json", status=200, body={"access_token": "lone", "expires_in": 3600})
    fault("discord", "identity", "json", status=200, body={"id": "1", "username": "lone"})
    assert agent.connect(user, "discord").status_code == 200
    change_grant(service, user, token_at=ago(seconds=3590), expires_at=ago(seconds=-10))
    body = user.call("GET", path("discord")).json()
    assert body["access_token"] == "lone" and "ends this connection" in body["warning"]
    change_grant(service, user, expires_at=ago(seconds=1))
    assert user.call("GET", path("discord")).json()["code"] == "reconnect_required"


class TestFailures:
    """What a failed renewal does to a connection, and what it does not."""

    @pytest.fixture
    def connected(self, user: User, agent: Agent) -> User:
        agent.connect(user, "spotify")
        return user

    def ask(self, user: User, service: Service, *, left: int) -> tuple[int, dict[str, object], int]:
        """Ask for a token that ends in so many seconds; return status, body and Retry-After."""
        change_grant(
            service, user, token_at=ago(hours=1), expires_at=ago(seconds=-left), retry_at=None, due_at=ago()
        )
        answer = user.call("GET", path("spotify"))
        return answer.status_code, answer.json(), int(answer.headers.get("Retry-After", 0))

    @pytest.mark.parametrize(
        ("kind", "parameters", "word"),
        [
            ("status", {"status": 500}, "outage"),
            ("status", {"status": 429, "retry_after": 1}, "outage"),
            ("html", {}, "outage"),
            ("cut", {}, "outage"),
            ("bad_json", {}, "malformed"),
            ("wrong_types", {}, "malformed"),
            ("json", {"status": 401, "body": {"error": "invalid_client"}}, "operator"),
            ("json", {"status": 400, "body": {"error": "unauthorized_client"}}, "operator"),
            ("json", {"status": 400, "body": {"error": "something_new"}}, "outage"),
        ],
    )
    def test_all_but_one_kind_keep_the_connection(
        self,
        connected: User,
        service: Service,
        fault: Fault,
        kind: str,
        parameters: dict[str, object],
        word: str,
    ) -> None:
        before = tokens_of(service, connected, provider_named("spotify"))
        fault("spotify", "refresh", kind, times=2, **parameters)
        status, body, _ = self.ask(connected, service, left=30)
        assert (status, body["access_token"]) == (200, before[0]) and body["warning"]
        status, body, wait = self.ask(connected, service, left=-1)
        assert (status, body["code"]) == (503, "token_unavailable") and wait >= 1
        found = connected.call("GET", "/api/connections/spotify/status").json()
        assert (found["health"], found["failure"], found["attempts"]) == ("degraded", word, 2)
        assert tokens_of(service, connected, provider_named("spotify")) == before
        status, body, _ = self.ask(connected, service, left=-1)
        assert status == 200 and body["warning"] is None
        found = connected.call("GET", "/api/connections/spotify/status").json()
        assert (found["health"], found["failure"], found["attempts"]) == ("ok", None, 0)

    def test_it_backs_off_thirty_seconds(
        self, connected: User, service: Service, sandbox: Sandbox, fault: Fault
    ) -> None:
        fault("spotify", "refresh", "status", status=500)
        calls = sandbox.calls()
        _, _, wait = self.ask(connected, service, left=-1)
        for _ in range(3):
            assert connected.call("GET", path("spotify")).status_code == 503
        assert 25 < wait <= 30 and calls.of("spotify", "refresh") == 1
        change_grant(service, connected, retry_at=ago(seconds=1))
        assert connected.call("GET", path("spotify")).status_code == 200

    @pytest.mark.parametrize(("said", "kept"), [(77, (70, 77)), (10**8, (86390, 86400))])
    def test_it_backs_off_as_the_provider_says_a_day_at_most(
        self, connected: User, service: Service, fault: Fault, said: int, kept: tuple[int, int]
    ) -> None:
        fault("spotify", "refresh", "status", status=429, retry_after=said)
        _, _, wait = self.ask(connected, service, left=-1)
        assert kept[0] <= wait <= kept[1]

    def test_an_outage_counts_once_a_day(self, connected: User, service: Service, fault: Fault) -> None:
        fault("spotify", "refresh", "status", times=4, status=503)
        for days_ago in (0, 0, 1, 1):
            if days_ago:
                failed_at = grant_of(service, connected).failed_at
                assert failed_at is not None
                change_grant(service, connected, failed_at=failed_at - timedelta(days=1))
            assert self.ask(connected, service, left=-1)[0] == 503
        found = grant_of(service, connected)
        assert (found.attempts, found.failing_days) == (4, 3)
        assert actions_of(service, connected).count("grant.refresh_failed") == 3
        assert self.ask(connected, service, left=-1)[0] == 200

    @pytest.mark.parametrize("provider", ["google", "github", "spotify", "discord"])
    def test_a_dead_grant_is_said_to_be_dead(
        self, user: User, agent: Agent, service: Service, sandbox: Sandbox, provider: str
    ) -> None:
        account = f"dead-{user.username}"
        sandbox.control.add_account(provider, account)
        agent.connect(user, NAMES[provider], account=account)
        sandbox.control.revoke(provider, account)
        expire_token(service, sandbox, user, provider)
        calls = sandbox.calls()
        for _ in range(3):
            answer = user.call("GET", path(NAMES[provider]))
            assert (answer.status_code, answer.json()["code"]) == (409, "reconnect_required")
            assert f"/api/connections/{NAMES[provider]}" in answer.json()["error"]
        assert calls.of(provider) == 1 and actions_of(service, user).count("grant.end") == 1
        rows = user.call("GET", "/api/connections").json()["connections"]
        assert next(row for row in rows if row["service_name"] == NAMES[provider])["is_connected"]
        assert agent.connect(user, NAMES[provider], account=account).status_code == 200
        assert user.call("GET", path(NAMES[provider])).status_code == 200
        assert user.call("GET", f"/api/connections/{NAMES[provider]}/status").json()["health"] == "ok"

    def test_discord_names_the_dead_token_in_another_error(
        self, user: User, agent: Agent, service: Service, sandbox: Sandbox, switched: Switched, fault: Fault
    ) -> None:
        switched("discord", dead_refresh_error="invalid_request")
        sandbox.control.add_account("discord", f"dead-{user.username}")
        agent.connect(user, "discord", account=f"dead-{user.username}")
        expire_token(service, sandbox, user, "discord")
        body = {"error": "invalid_request", "error_description": 'Missing "grant_type" in request.'}
        fault("discord", "refresh", "json", status=400, body=body)
        assert user.call("GET", path("discord")).json()["code"] == "token_unavailable"
        change_grant(service, user, retry_at=None)
        sandbox.control.revoke("discord", f"dead-{user.username}")
        assert user.call("GET", path("discord")).json()["code"] == "reconnect_required"

    def test_a_provider_without_credentials_keeps_what_lives(
        self, user: User, agent: Agent, service: Service, start_service: StartService
    ) -> None:
        agent.connect(user, "spotify")
        bare = start_service(
            database_url=service.environ["DATABASE_URL"], SPOTIFY_CLIENT_ID="", SPOTIFY_CLIENT_SECRET=""
        )
        change_grant(service, user, token_at=ago(hours=1), expires_at=ago(seconds=-30))
        answer = bare.call("GET", path("spotify"), headers=user.headers)
        assert answer.status_code == 200 and "operator" in answer.json()["warning"]
        change_grant(service, user, expires_at=ago(seconds=1), retry_at=None)
        answer = bare.call("GET", path("spotify"), headers=user.headers)
        assert (answer.status_code, answer.json()["code"]) == (503, "token_unavailable")

    def test_a_row_that_does_not_open_says_so(
        self, connected: User, service: Service, sandbox: Sandbox
    ) -> None:
        sealed = bytearray(grant_of(service, connected).sealed)
        sealed[-1] ^= 1
        change_grant(service, connected, sealed=bytes(sealed), expires_at=ago(seconds=1))
        calls = sandbox.calls()
        for method, what in (("GET", "token"), ("POST", "test")):
            answer = connected.call(method, f"/api/connections/spotify/{what}")
            assert (answer.status_code, answer.json()["code"]) == (500, "secret_unreadable")
        assert connected.call("GET", "/api/connections/spotify/status").status_code == 200
        assert calls.of("spotify") == 0


# What a grant is like, moments as seconds from now; and whether its token is handed out then.
STATES: dict[str, tuple[dict[str, object], bool]] = {
    "used just now": ({"last_used_at": -1.0}, True),
    "not used for days": ({"last_used_at": -3 * DAY}, True),
    "due, and alive": ({"due_at": -1.0}, True),
    "without an end": ({"expires_at": None, "due_at": None}, True),
    "not renewable": ({"renewable": False, "due_at": None}, True),
    "not renewable, without an end": ({"renewable": False, "expires_at": None, "due_at": None}, True),
    "half of its life left": ({"token_at": -40.0, "expires_at": 55.0}, True),
    "tried, and failed": ({"failure": "outage", "failed_at": -HOUR, "attempts": 1}, True),
    "an attempt broken off": ({"attempted_at": -30.0, "lease_until": -9.0}, True),
    "over": ({"expires_at": -1.0, "due_at": -1.0}, True),
    "over, and backing off": ({"expires_at": -1.0, "retry_at": 99.0}, False),
    "ended": ({"ended_at": -HOUR}, False),
}


@pytest.mark.parametrize("state", STATES)
def test_what_is_handed_out_is_told_once(user: User, agent: Agent, service: Service, state: str) -> None:
    agent.connect(user, "spotify")
    values, handed_out = STATES[state]
    moments = {name: ago(seconds=-at) for name, at in values.items() if isinstance(at, float)}
    change_grant(service, user, **{**values, **moments})
    answer = user.call("GET", path("spotify"))
    assert (answer.status_code == 200) == handed_out, answer.text
    assert actions_of(service, user).count("token.read") == handed_out


def test_what_is_offered_no_more_is_neither_found_nor_told(start_service: StartService) -> None:
    service = start_service()
    user = service.user()
    Agent(service).connect(user, "spotify")
    with service.app.app_context():
        services.set_enabled(name="spotify", enabled=False)
    answer = user.call("GET", path("spotify"))
    assert (answer.status_code, answer.json()["code"]) == (404, "service_not_found")
    assert "token.read" not in actions_of(service, user)


def test_a_use_is_noted_once_a_day(user: User, agent: Agent, service: Service) -> None:
    agent.connect(user, "spotify")
    change_grant(service, user, last_used_at=ago(hours=25))
    for _ in range(2):
        assert user.call("GET", path("spotify")).status_code == 200
    noted = grant_of(service, user).last_used_at
    assert noted > ago(minutes=1)
    assert user.call("GET", path("spotify")).status_code == 200
    assert grant_of(service, user).last_used_at == noted
