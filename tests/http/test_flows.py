"""Whose flow it is, once and only once, whoever else tries."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import requests
from sqlalchemy import func, select, update

from app.extensions import db
from app.models import Flow, now
from tests.http.test_oauth import query_of
from tests.support.browser import Agent
from tests.support.providers import Sandbox
from tests.support.service import Service, StartService, User

SESSION_BOUND = ["gmail", "facebook", "github", "discord"]
EVERY = [*SESSION_BOUND, "spotify"]
LOST = {
    **dict.fromkeys(SESSION_BOUND, ("invalid_session", "Invalid session")),
    "spotify": ("invalid_oauth_state", "Invalid or expired OAuth state"),
}


def assert_lost(answer: requests.Response, name: str) -> None:
    code, sentence = LOST[name]
    assert answer.status_code == 400, answer.text
    assert answer.json() == {"error": sentence, "code": code}


def token_requests(sandbox: Sandbox) -> int:
    return len([row for row in sandbox.control.log() if row["endpoint"] == "token"])


@pytest.mark.parametrize("name", EVERY)
def test_a_callback_in_another_browser_finds_no_flow(
    user: User, agent: Agent, service: Service, sandbox: Sandbox, name: str
) -> None:
    callback = agent.consent(agent.start(user, name))
    sandbox.control.clear_log()
    assert_lost(Agent(service).call("GET", callback), name)
    assert token_requests(sandbox) == 0
    assert agent.call("GET", callback).status_code == 200, "the forged callback used the flow up"


@pytest.mark.parametrize("name", EVERY)
def test_a_state_works_once(user: User, agent: Agent, name: str) -> None:
    callback = agent.consent(agent.start(user, name))
    assert agent.call("GET", callback).status_code == 200
    assert_lost(agent.call("GET", callback), name)


@pytest.mark.parametrize("name", ["github", "spotify"])
def test_fifty_replays_at_once_make_one_token_request(
    user: User, agent: Agent, sandbox: Sandbox, name: str
) -> None:
    callback = agent.consent(agent.start(user, name))
    sandbox.control.clear_log()
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: agent.call("GET", callback).status_code, range(50)))
    assert sorted(answers) == [200] + [400] * 49
    assert token_requests(sandbox) == 1


@pytest.mark.parametrize("name", EVERY)
def test_an_expired_flow_is_none(user: User, agent: Agent, service: Service, name: str) -> None:
    callback = agent.consent(agent.start(user, name))
    with service.app.app_context():
        db.session.execute(
            update(Flow).where(Flow.user_id == user.id).values(expires_at=now() - timedelta(seconds=1))
        )
        db.session.commit()
    assert_lost(agent.call("GET", callback), name)


def test_a_flow_lives_ten_minutes_and_keeps_no_state(user: User, agent: Agent, service: Service) -> None:
    url = agent.start(user, "github")
    with service.app.app_context():
        flow = db.session.scalars(select(Flow).where(Flow.user_id == user.id)).one()
        assert flow.expires_at - flow.created_at <= timedelta(minutes=10, seconds=1)
        assert query_of(url)["state"] not in repr(vars(flow))


@pytest.mark.parametrize("name", EVERY)
def test_an_error_callback_uses_its_flow_up(user: User, agent: Agent, name: str) -> None:
    callback = agent.consent(agent.start(user, name), deny=True)
    assert agent.call("GET", callback).json()["error"] == "OAuth error: access_denied"
    state = query_of(callback)["state"]
    assert_lost(agent.call("GET", f"/api/connections/{name}/callback?code=x&state={state}"), name)


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("error=access_denied", "access_denied"),
        ("error=ACCESS", "unknown_error"),
        ("error=", "unknown_error"),
        ("error=a&error=b", "unknown_error"),
        ("error=%3Cscript%3E", "unknown_error"),
        (f"error={'x' * 65}", "unknown_error"),
        ("error_code=1349048&error_message=secret", "unknown_error"),
        ("error=a%00b", "unknown_error"),
        ("error=%ff", "unknown_error"),
    ],
)
@pytest.mark.parametrize("name", ["facebook", "spotify"])
def test_only_plain_error_words_are_repeated(
    user: User, agent: Agent, name: str, query: str, word: str
) -> None:
    state = query_of(agent.start(user, name))["state"]
    answer = agent.call("GET", f"/api/connections/{name}/callback?state={state}&{query}")
    assert (answer.status_code, answer.json()["error"]) == (400, f"OAuth error: {word}")


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(
    "query",
    [
        "",
        "code=x",
        "state=x",
        "code=x&state=",
        "code=x&state=nobodys",
        "code=x&state=a&state=b",
        "code=x&state=a%00b",
        "code=x&state=%0d%0aSet-Cookie:%20a=b",
        "code=x&state=%ff%fe",
        f"code=x&state={'s' * 10000}",
        f"code={'c' * 10000}&state=s",
    ],
)
def test_odd_parameters_are_refused(service: Service, name: str, query: str) -> None:
    answer = service.call("GET", f"/api/connections/{name}/callback?{query}")
    assert answer.status_code == 400 and answer.json()["code"] in {LOST[name][0], "missing_code_or_state"}


def test_spotify_tells_what_is_missing_before_it_looks_for_a_flow(service: Service) -> None:
    for query in ("", "code=x", "state=x"):
        answer = service.call("GET", f"/api/connections/spotify/callback?{query}")
        assert answer.json()["error"] == "Missing authorization code or state"
    answer = service.call("GET", "/api/connections/spotify/callback?error=access_denied")
    assert answer.json()["error"] == "OAuth error: access_denied"


@pytest.mark.parametrize("name", ["gmail", "github"])
def test_a_wrong_issuer_is_as_no_flow_and_keeps_it(user: User, agent: Agent, name: str) -> None:
    callback = agent.consent(agent.start(user, name))
    issuer = "https%3A%2F%2F" + ("accounts.google.com" if name == "gmail" else "github.com%2Flogin%2Foauth")
    assert f"iss={issuer}" in callback
    for wrong in ("https%3A%2F%2Fevil.example", "", f"{issuer}&iss={issuer}"):
        assert_lost(agent.call("GET", callback.replace(f"iss={issuer}", f"iss={wrong}")), name)
    assert agent.call("GET", callback).status_code == 200


@pytest.mark.parametrize("other", ["gmail", "spotify", "discord"])
def test_a_state_of_one_provider_is_nothing_to_another(user: User, agent: Agent, other: str) -> None:
    callback = agent.consent(agent.start(user, "github"))
    assert_lost(agent.call("GET", callback.replace("/github/", f"/{other}/")), other)
    assert agent.call("GET", callback).status_code == 200


def test_tabs_providers_and_users_of_one_browser_all_finish(service: Service) -> None:
    agent, first, second = Agent(service), service.user(), service.user()
    wanted = [(first, name) for name in EVERY] + [(second, name) for name in EVERY]
    callbacks = [(user, name, agent.consent(agent.start(user, name))) for user, name in wanted]
    for user, name, callback in reversed(callbacks):
        document = agent.call("GET", callback).json()
        found = document.get("connection") or document["connections"]["gmail"]
        assert (found["user_id"], found["service_name"]) == (user.id, name)


def test_a_browser_has_at_most_ten_pending_flows(user: User, agent: Agent, service: Service) -> None:
    urls = [agent.start(user, "github") for _ in range(13)]
    with service.app.app_context():
        mine = select(func.count()).where(Flow.user_id == user.id)
        assert db.session.scalar(mine) == 10
    assert agent.call("GET", agent.consent(urls[-1])).status_code == 200
    assert_lost(agent.call("GET", agent.consent(urls[0])), "github")


def test_a_user_who_is_shut_out_meanwhile_gets_nothing(user: User, agent: Agent, service: Service) -> None:
    callback = agent.consent(agent.start(user, "github"))
    service.app.test_cli_runner().invoke(args=["users", "disable", user.username])
    assert_lost(agent.call("GET", callback), "github")


def test_redirect_uris_come_from_public_url_alone(user: User, service: Service) -> None:
    headers = {
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "host=evil.example",
        "X-Forwarded-Proto": "https",
    }
    answer = user.call("GET", "/api/connections/github", headers=headers)
    assert query_of(answer.headers["Location"])["redirect_uri"].startswith(service.url)
    refused = user.call("GET", "/api/connections/github", headers={"Host": "evil.example"})
    assert refused.status_code == 400 and "evil" not in refused.text + str(refused.headers)


def test_the_common_callback_serves_every_provider(start_service: StartService) -> None:
    names = {"github": "GITHUB", "spotify": "SPOTIFY", "gmail": "GOOGLE"}
    service = start_service(**{f"{prefix}_REDIRECT_URI": "{url}/callback" for prefix in names.values()})
    user, agent = service.user(), Agent(service)
    for name in names:
        callback = agent.consent(agent.start(user, name))
        assert urlsplit(callback).path == "/callback"
        assert_lost(Agent(service).call("GET", callback), "github")
        assert agent.call("GET", callback).status_code == 200
