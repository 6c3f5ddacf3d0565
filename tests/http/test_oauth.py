"""One conformance suite over all providers: a new one is tested by being listed."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from app.oauth.provider import Provider, Revocation
from app.providers import PROVIDERS, SERVICES
from sandbox.driver import Control
from tests.support.browser import Agent
from tests.support.providers import Sandbox, Switched
from tests.support.rows import grant_of, tokens_of
from tests.support.service import Service, StartService, User

every_provider = pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)

CONNECTED = {
    "id": int,
    "user_id": int,
    "service_id": int,
    "service_name": str,
    "service_display_name": str,
    "connected_at": str,
    "updated_at": str,
    "token_expires_at": str,
}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def names(provider: Provider) -> list[str]:
    return [service.name for service in provider.services]


@every_provider
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_start_redirects_with_the_documented_scopes(
    user: User, service: Service, provider: Provider, method: str
) -> None:
    answer = user.call(method, f"/api/connections/{provider.service.name}")
    query = query_of(answer.headers["Location"])
    assert answer.status_code == 302
    assert query["scope"].split(provider.scope_separator) == list(provider.scopes)
    assert query["redirect_uri"] == f"{service.url}/api/connections/{provider.service.name}/callback"
    assert query["response_type"] == "code"
    assert query["code_challenge_method"] == "S256" and len(query["code_challenge"]) == 43
    assert len(query["state"]) >= 43


@every_provider
def test_every_service_of_a_provider_starts_the_same_flow(user: User, provider: Provider) -> None:
    urls = [
        user.call("GET", f"/api/connections/{name}").headers["Location"].split("?")[0]
        for name in names(provider)
    ]
    assert len(set(urls)) == 1


@every_provider
def test_callback_answers_the_documented_json(user: User, agent: Agent, provider: Provider) -> None:
    answer = agent.connect(user, provider.service.name)
    document = answer.json()
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"
    assert document["success"] is True
    if len(provider.services) == 1:
        assert set(document) == {"success", "message", "connection"}
        assert document["message"] == f"{provider.service.display_name} connected successfully"
        found = [document["connection"]]
    else:
        assert set(document) == {"success", "message", "connections"}
        assert document["message"] == "Gmail and Drive connected successfully"
        assert list(document["connections"]) == names(provider)
        found = list(document["connections"].values())
    for connection, service in zip(found, provider.services, strict=True):
        assert {name: type(value) for name, value in connection.items()} == CONNECTED
        assert connection["service_id"] == service.id and connection["user_id"] == user.id
        assert connection["service_display_name"] == service.display_name
        assert MOMENT.fullmatch(connection["connected_at"]) and MOMENT.fullmatch(
            connection["token_expires_at"]
        )


@every_provider
def test_the_list_tells_what_is_connected(user: User, agent: Agent, provider: Provider) -> None:
    agent.connect(user, provider.service.name)
    listed = user.call("GET", "/api/connections").json()["connections"]
    assert [row["service_id"] for row in listed] == [service.id for service in SERVICES]
    assert {row["service_name"] for row in listed if row["is_connected"]} == set(names(provider))
    assert all(bool(row["connected_at"]) == row["is_connected"] for row in listed)


@every_provider
def test_disconnecting_ends_the_grant_at_the_provider(
    user: User, agent: Agent, provider: Provider, service: Service, sandbox: Sandbox
) -> None:
    agent.connect(user, provider.service.name)
    issued = tokens_of(service, user, provider)
    answer = user.call("DELETE", f"/api/connections/{provider.service.name}")
    outcome = "unsupported" if provider.revocation is Revocation.NONE else "revoked"
    message = f"{provider.service.display_name} disconnected successfully"
    assert answer.json() == {"message": message, "revocation": outcome}
    states = {sandbox.control.token_state(provider.name, token) for token in issued}
    assert states == ({"live"} if outcome == "unsupported" else {"revoked"})
    again = user.call("DELETE", f"/api/connections/{provider.service.name}")
    assert again.status_code == 404
    assert again.json()["error"] == f"{provider.service.display_name} not connected"


@every_provider
def test_a_grant_that_is_gone_already_is_said_so(
    user: User, agent: Agent, provider: Provider, sandbox: Sandbox, switched: Switched
) -> None:
    switched("discord", dead_revoke_status=400)  # with its default, 200, nobody can tell
    url = agent.start(user, provider.service.name)
    account = f"gone-{user.username}"
    sandbox.control.add_account(provider.name, account)
    agent.call("GET", agent.consent(url, account=account))
    sandbox.control.revoke(provider.name, account)
    answer = user.call("DELETE", f"/api/connections/{provider.service.name}")
    expected = "unsupported" if provider.revocation is Revocation.NONE else "already_gone"
    assert answer.json()["revocation"] == expected


@every_provider
def test_denial_is_told_and_connects_nothing(user: User, agent: Agent, provider: Provider) -> None:
    url = agent.start(user, provider.service.name)
    answer = agent.call("GET", agent.consent(url, deny=True))
    assert answer.status_code == 400
    assert answer.json() == {"error": "OAuth error: access_denied", "code": "oauth_error"}
    assert user.call("DELETE", f"/api/connections/{provider.service.name}").status_code == 404


@every_provider
def test_a_refused_code_fails_in_our_own_words(user: User, agent: Agent, provider: Provider) -> None:
    state = query_of(agent.start(user, provider.service.name))["state"]
    answer = agent.call(
        "GET", f"/api/connections/{provider.service.name}/callback?code=unknown&state={state}"
    )
    documented = "Token exchange failed" if provider.name == "spotify" else "OAuth failed"
    assert answer.status_code == 500
    assert answer.json()["error"] == f"{documented}: the provider refused the authorization code"


@every_provider
def test_wrong_client_credentials_are_the_operators_fault(
    provider: Provider, start_service: StartService
) -> None:
    service = start_service(**{f"{provider.name.upper()}_CLIENT_SECRET": "not-the-registered-one"})
    answer = Agent(service).connect(service.user(), provider.service.name)
    assert answer.status_code == 500
    assert answer.json()["error"].endswith("the provider refused this service's client credentials")


@every_provider
def test_a_missing_code_is_told(user: User, agent: Agent, provider: Provider) -> None:
    state = query_of(agent.start(user, provider.service.name))["state"]
    answer = agent.call("GET", f"/api/connections/{provider.service.name}/callback?state={state}")
    assert answer.status_code == 400
    assert answer.json()["error"] == "Missing authorization code or state"


@every_provider
def test_a_service_that_is_disabled_is_not_found(start_service: StartService, provider: Provider) -> None:
    service = start_service()
    user, agent = service.user(), Agent(service)
    url = agent.start(user, provider.service.name)
    service.app.test_cli_runner().invoke(args=["services", "disable", provider.service.name])
    expected = {"error": f"{provider.service.display_name} service not found", "code": "service_not_found"}
    for answer in (
        user.call("GET", f"/api/connections/{provider.service.name}"),
        user.call("DELETE", f"/api/connections/{provider.service.name}"),
        agent.call("GET", agent.consent(url)),
    ):
        assert (answer.status_code, answer.json()) == (404, expected)


@every_provider
def test_a_service_without_credentials_is_not_configured(
    start_service: StartService, provider: Provider
) -> None:
    prefix = provider.name.upper()
    service = start_service(**{f"{prefix}_CLIENT_ID": "", f"{prefix}_CLIENT_SECRET": ""})
    answer = service.user().call("GET", f"/api/connections/{provider.service.name}")
    assert answer.status_code == 503
    assert answer.json()["error"] == f"{provider.service.display_name} is not configured"


@every_provider
def test_an_unticked_scope_connects_and_is_kept_as_missing(
    user: User, agent: Agent, provider: Provider, service: Service
) -> None:
    url = agent.start(user, provider.service.name)
    unticked = provider.scopes[-1]
    assert agent.call("GET", agent.consent(url, untick=[unticked])).status_code == 200
    assert unticked not in grant_of(service, user).scopes_granted
    assert unticked in grant_of(service, user).scopes_asked


@every_provider
def test_secrets_travel_in_bodies_and_headers_only(
    user: User, agent: Agent, provider: Provider, sandbox: Sandbox, service: Service
) -> None:
    control: Control = sandbox.control
    control.clear_log()
    agent.connect(user, provider.service.name)
    issued = tokens_of(service, user, provider)
    user.call("DELETE", f"/api/connections/{provider.service.name}")
    secret = service.environ[f"{provider.name.upper()}_CLIENT_SECRET"]
    calls = [
        row for row in control.log(provider.name) if "verifier" in str(row) or row["endpoint"] != "authorize"
    ]
    assert calls
    for row in calls:
        line = f"{row['path']}?{row['query']}"
        assert not any(value in line for value in (*issued, secret)), row["endpoint"]
