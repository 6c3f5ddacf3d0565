"""The truth about a connection: as it is known, as the provider says when asked, and how it is mended."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from app.providers import PROVIDERS, provider_named
from tests.support.browser import Agent
from tests.support.providers import Fault, Sandbox, Switched
from tests.support.rows import actions_of, ago, change_grant, expire_token, grant_of, tokens_of
from tests.support.service import Service, StartService, User, twin_of
from tests.support.serving import StandIn

NAMES = {provider.name: provider.service.name for provider in PROVIDERS}
GMAIL = "https://www.googleapis.com/auth/gmail.readonly"
FIELDS = {
    "service_name",
    "account_id",
    "account_label",
    "scopes_granted",
    "scopes_missing",
    "authorized_at",
    "token_expires_at",
    "grant_expires_at",
    "last_refresh_at",
    "renews_itself",
    "attempts",
    "failure",
    "failed_at",
    "failing_days",
    "retry_at",
    "shared_with",
    "health",
    "reason",
    "remedy",
    "reconnect_path",
}


def status(user: User, name: str) -> dict[str, object]:
    answer = user.call("GET", f"/api/connections/{name}/status")
    assert answer.status_code == 200, answer.text
    body: dict[str, object] = answer.json()
    assert set(body) == FIELDS
    return body


def test(user: User, name: str) -> tuple[bool, str | None, dict[str, object]]:
    answer = user.call("POST", f"/api/connections/{name}/test")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"works", "failure", "status"} and set(body["status"]) == FIELDS
    return body["works"], body["failure"], body["status"]


test.__test__ = False  # type: ignore[attr-defined]


@pytest.mark.parametrize("provider", NAMES)
def test_a_healthy_connection(
    user: User, agent: Agent, service: Service, sandbox: Sandbox, provider: str
) -> None:
    agent.connect(user, NAMES[provider])
    calls, grant = sandbox.calls(), grant_of(service, user)
    body = status(user, NAMES[provider])
    assert (body["health"], body["remedy"], body["reconnect_path"]) == ("ok", None, None)
    assert (body["account_id"], body["account_label"]) == (grant.account_id, grant.account_label)
    assert (body["scopes_granted"], body["scopes_missing"]) == (grant.scopes_granted, [])
    assert (body["last_refresh_at"], body["failure"], body["attempts"]) == (None, None, 0)
    assert body["shared_with"] == (["drive"] if provider == "google" else [])
    assert not any(token in str(body) for token in tokens_of(service, user, provider_named(provider)))
    assert calls.of(provider) == 0


@pytest.mark.parametrize(
    ("provider", "token_days", "grant_days"),
    [
        ("google", 0, None),
        ("facebook", 60, 60),
        ("github", 365, 365),
        ("spotify", 0, 182),
        ("discord", 7, None),
    ],
)
def test_token_and_grant_have_clocks_of_their_own(
    user: User, agent: Agent, provider: str, token_days: int, grant_days: int | None
) -> None:
    agent.connect(user, NAMES[provider])
    body = status(user, NAMES[provider])
    for name, days in (("token_expires_at", token_days), ("grant_expires_at", grant_days)):
        if days is None:
            assert body[name] is None
        else:
            assert abs(datetime.fromisoformat(str(body[name])) - ago(days=-days)) < timedelta(hours=2), name


def test_googles_testing_apps_have_a_week(
    user: User, agent: Agent, service: Service, switched: Switched
) -> None:
    switched("google", testing_mode=True)
    agent.connect(user, "gmail")
    body = status(user, "gmail")
    assert abs(datetime.fromisoformat(str(body["grant_expires_at"])) - ago(days=-7)) < timedelta(hours=1)
    assert (body["health"], body["reconnect_path"]) == ("expiring", "/api/connections/gmail")
    assert body["renews_itself"] is True and "ends this connection on" in str(body["reason"])


def test_a_renewal_shows(user: User, agent: Agent, service: Service, sandbox: Sandbox) -> None:
    agent.connect(user, "discord")
    expire_token(service, sandbox, user, "discord")
    user.call("GET", "/api/connections/discord/token")
    renewed = datetime.fromisoformat(str(status(user, "discord")["last_refresh_at"]))
    assert abs(renewed - ago()) < timedelta(minutes=1)


@pytest.mark.parametrize(("days", "health"), [(31, "ok"), (29, "expiring"), (1, "expiring")])
def test_spotify_ends_half_a_year_after_consent(
    user: User, agent: Agent, service: Service, days: int, health: str
) -> None:
    agent.connect(user, "spotify")
    change_grant(service, user, ends_at=ago(days=-days))
    body = status(user, "spotify")
    assert body["health"] == health
    token = user.call("GET", "/api/connections/spotify/token").json()
    assert token["warning"] == (body["reason"] if health == "expiring" else None)


class TestUnticked:
    """A scope that the user did not allow."""

    @pytest.mark.parametrize("name", ["gmail", "drive"])
    def test_it_is_missing_and_the_remedy_asks_for_it_alone(
        self, user: User, agent: Agent, sandbox: Sandbox, name: str
    ) -> None:
        account = f"unticked-{user.username}"
        sandbox.control.add_account("google", account)
        assert agent.connect(user, name, account=account, untick=[GMAIL]).status_code == 200
        body = status(user, name)
        assert (body["health"], body["scopes_missing"]) == ("missing_scopes", [GMAIL])
        assert body["remedy"] and body["reconnect_path"] == f"/api/connections/{name}?scopes=missing"
        url = agent.start(user, name, "?scopes=missing")
        asked = parse_qs(urlsplit(url).query)
        assert (asked["scope"], asked["include_granted_scopes"]) == ([GMAIL], ["true"])
        callback = agent.consent(url, account=account)
        assert agent.call("GET", callback).status_code == 200
        body = status(user, name)
        assert (body["health"], body["scopes_missing"]) == ("ok", [])
        assert set(body["scopes_granted"]) == set(provider_named("google").scopes)  # type: ignore[call-overload]

    def test_facebook_adds_what_is_allowed_later(self, user: User, agent: Agent, sandbox: Sandbox) -> None:
        account = f"unticked-{user.username}"
        sandbox.control.add_account("facebook", account)
        agent.connect(user, "facebook", account=account, untick=["user_posts"])
        assert status(user, "facebook")["scopes_missing"] == ["user_posts"]
        answer = user.call("POST", "/api/connections/facebook/authorize", json={"scopes": "missing"})
        asked = parse_qs(urlsplit(answer.json()["authorize_url"]).query)
        assert (asked["scope"], asked["auth_type"]) == (["user_posts"], ["rerequest"])
        page = agent.call("GET", answer.json()["connect_url"], headers={"Accept": "text/html"})
        going = agent.submit(page)
        callback = agent.consent(going.headers["Location"], account=account)
        assert agent.call("GET", callback).status_code == 200
        assert status(user, "facebook")["scopes_missing"] == []

    @pytest.mark.parametrize("name", ["github", "spotify", "discord"])
    def test_where_scopes_do_not_add_up_all_are_asked_for(
        self, user: User, agent: Agent, sandbox: Sandbox, service: Service, name: str
    ) -> None:
        agent.connect(user, name)
        provider = provider_named(name)
        change_grant(service, user, scopes_granted=list(provider.scopes[:1]))
        assert status(user, name)["scopes_missing"] == list(provider.scopes[1:])
        asked = parse_qs(urlsplit(agent.start(user, name, "?scopes=missing")).query)
        assert asked["scope"][0].split() == list(provider.scopes)

    @pytest.mark.parametrize("name", ["gmail", "facebook"])
    def test_nobody_without_a_difference_is_asked_for_one(self, user: User, agent: Agent, name: str) -> None:
        plain = parse_qs(urlsplit(agent.start(user, name)).query)
        for connected in (False, True):
            if connected:
                agent.connect(user, name)
            asked = parse_qs(urlsplit(agent.start(user, name, "?scopes=missing")).query)
            assert asked["scope"] == plain["scope"]

    @pytest.mark.parametrize("word", ["none", "", "missing,all", "MISSING"])
    def test_other_words_are_refused(self, user: User, word: str) -> None:
        answer = user.call("GET", "/api/connections/gmail", params={"scopes": word})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_query")
        answer = user.call("POST", "/api/connections/gmail/authorize", json={"scopes": word})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_body")


class TestAsked:
    """POST …/test asks the provider."""

    @pytest.mark.parametrize("provider", NAMES)
    def test_what_works(
        self, user: User, agent: Agent, service: Service, sandbox: Sandbox, provider: str
    ) -> None:
        agent.connect(user, NAMES[provider])
        calls = sandbox.calls()
        works, failure, found = test(user, NAMES[provider])
        assert (works, failure, found["health"]) == (True, None, "ok")
        assert calls.of(provider, "identity") >= 1 and calls.of(provider, "refresh", "long_lived") == 0
        assert actions_of(service, user)[-1] == "connection.test"

    @pytest.mark.parametrize("provider", ["google", "spotify", "discord"])
    def test_what_is_due_is_renewed_first(
        self, user: User, agent: Agent, service: Service, sandbox: Sandbox, provider: str
    ) -> None:
        agent.connect(user, NAMES[provider])
        expire_token(service, sandbox, user, provider)
        assert test(user, NAMES[provider])[0] is True

    @pytest.mark.parametrize("provider", ["google", "spotify", "discord"])
    def test_a_token_that_is_refused_is_renewed_once(
        self, user: User, agent: Agent, service: Service, sandbox: Sandbox, provider: str
    ) -> None:
        agent.connect(user, NAMES[provider])
        sandbox.control.expire(provider, token=tokens_of(service, user, provider_named(provider))[0])
        calls = sandbox.calls()
        assert test(user, NAMES[provider])[0] is True
        assert (calls.of(provider, "refresh"), calls.of(provider, "identity")) == (1, 2)

    @pytest.mark.parametrize("provider", NAMES)
    def test_a_removed_app_is_found_out(
        self, user: User, agent: Agent, service: Service, sandbox: Sandbox, provider: str
    ) -> None:
        account = f"removed-{user.username}"
        sandbox.control.add_account(provider, account)
        agent.connect(user, NAMES[provider], account=account)
        sandbox.control.revoke(provider, account)
        for _ in range(2):
            works, failure, found = test(user, NAMES[provider])
            assert (works, failure, found["health"]) == (False, "dead_grant", "reconnect_required")
            assert found["remedy"] and found["reconnect_path"] == f"/api/connections/{NAMES[provider]}"
        answer = user.call("GET", f"/api/connections/{NAMES[provider]}/token")
        assert (answer.status_code, answer.json()["code"]) == (409, "reconnect_required")
        assert actions_of(service, user).count("grant.end") == 1

    def test_a_new_token_that_is_refused_too_says_nothing_of_the_grant(
        self, user: User, agent: Agent, service: Service, fault: Fault
    ) -> None:
        agent.connect(user, "spotify")
        fault("spotify", "identity", "status", times=2, status=401)
        assert test(user, "spotify")[:2] == (False, "malformed")
        assert grant_of(service, user).ended_at is None and test(user, "spotify")[0] is True

    @pytest.mark.parametrize(
        ("body", "media_type", "failure"),
        [
            (b"<html>Sign in to the gateway</html>", "text/html", "malformed"),
            (
                b'{"error": {"message": "Error validating client secret.", "code": 1}}',
                "application/json",
                "operator",
            ),
        ],
    )
    def test_a_401_that_does_not_speak_of_the_token_ends_nothing(
        self,
        user: User,
        agent: Agent,
        service: Service,
        start_service: StartService,
        body: bytes,
        media_type: str,
        failure: str,
    ) -> None:
        agent.connect(user, "facebook")
        stand_in = StandIn(status=401, body=body, media_type=media_type)
        second = start_service(**{**twin_of(service), "FACEBOOK_USERINFO_URL": stand_in.url})
        answer = second.call("POST", "/api/connections/facebook/test", headers=user.headers)
        stand_in.close()
        assert (answer.status_code, answer.json()["failure"]) == (200, failure)
        assert grant_of(service, user).ended_at is None

    def test_an_outage_while_renewing_is_one(
        self, user: User, agent: Agent, service: Service, sandbox: Sandbox, fault: Fault
    ) -> None:
        agent.connect(user, "spotify")
        expire_token(service, sandbox, user, "spotify")
        fault("spotify", "refresh", "status", status=500)
        works, failure, found = test(user, "spotify")
        assert (works, failure, found["health"]) == (False, "outage", "degraded")

    def test_it_learns_a_new_name_and_withdrawn_permissions(
        self, user: User, agent: Agent, sandbox: Sandbox, fault: Fault, service: Service
    ) -> None:
        agent.connect(user, "facebook")
        renamed = {"id": grant_of(service, user).account_id, "name": "Renamed"}
        fault("facebook", "identity", "json", status=200, body=renamed)
        fault(
            "facebook",
            "identity",
            "json",
            status=200,
            body={"data": [{"permission": "email", "status": "granted"}]},
        )
        works, _, found = test(user, "facebook")
        assert works and (found["account_label"], found["scopes_granted"]) == ("Renamed", ["email"])
        assert found["health"] == "missing_scopes"

    def test_without_credentials_nobody_can_be_asked(
        self, user: User, agent: Agent, service: Service, start_service: StartService
    ) -> None:
        agent.connect(user, "discord")
        bare = start_service(
            database_url=service.environ["DATABASE_URL"], DISCORD_CLIENT_ID="", DISCORD_CLIENT_SECRET=""
        )
        answer = bare.call("POST", "/api/connections/discord/test", headers=user.headers)
        assert (answer.status_code, answer.json()["code"]) == (503, "service_not_configured")
