"""Access URLs make flows bound to no browser: a program gets JSON, a person is asked first."""

from __future__ import annotations

import pytest

from tests.http.test_flows import assert_lost
from tests.http.test_oauth import query_of
from tests.support.browser import Agent
from tests.support.providers import Sandbox
from tests.support.service import PASSWORD, Service, StartService, User, free_port

WORDS = {
    "spotify": "spotify",
    "google": "gmail",
    "git": "github",
    "discord": "discord",
    "facebook": "facebook",
}


def access_url(user: User, word: str) -> str:
    answer = user.call("GET", f"/api/user/connection/access/{word}")
    assert answer.status_code == 200, answer.text
    assert answer.json()[f"{word}_url"] == answer.json()["url"]
    return str(answer.json()["url"])


def is_connected(user: User, name: str) -> bool:
    rows = user.call("GET", "/api/connections").json()["connections"]
    return next(bool(row["is_connected"]) for row in rows if row["service_name"] == name)


@pytest.mark.parametrize(("word", "name"), WORDS.items())
def test_a_program_gets_the_documented_json(user: User, service: Service, word: str, name: str) -> None:
    callback = Agent(service).consent(access_url(user, word))
    answer = Agent(service).call("GET", callback)
    assert answer.status_code == 200 and answer.json()["success"] is True
    assert is_connected(user, name)
    assert_lost(Agent(service).call("GET", callback), name)


@pytest.mark.parametrize(("word", "name"), WORDS.items())
def test_a_browser_is_asked_and_only_its_yes_connects(
    user: User, browser: Agent, service: Service, word: str, name: str
) -> None:
    page = browser.call("GET", browser.consent(access_url(user, word)))
    assert page.status_code == 200 and page.headers["Content-Type"].startswith("text/html")
    assert user.username in page.text
    assert not is_connected(user, name)
    assert Agent(service).submit(page, action="/confirm").status_code == 410, "another browser confirmed it"
    done = browser.submit(page, action="/confirm")
    assert done.status_code == 200 and is_connected(user, name)
    assert browser.submit(page, action="/confirm").status_code == 410


@pytest.mark.parametrize("header", ["Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest"])
def test_any_sec_fetch_header_tells_a_browser(user: User, agent: Agent, header: str) -> None:
    answer = agent.call("GET", agent.consent(access_url(user, "git")), headers={header: "x"})
    assert answer.headers["Content-Type"].startswith("text/html")


def test_the_page_names_the_account_and_keeps_its_tokens(
    user: User, browser: Agent, sandbox: Sandbox
) -> None:
    sandbox.control.add_account("github", f"label-{user.username}", login="<b>octo</b>")
    url = access_url(user, "git")
    page = browser.call("GET", browser.consent(url, account=f"label-{user.username}"))
    assert "&lt;b&gt;octo&lt;/b&gt;" in page.text and "<b>octo" not in page.text
    assert not any(secret in page.text for secret in sandbox.control.issued())
    assert page.headers["Content-Security-Policy"].endswith("form-action 'self'")


@pytest.mark.parametrize(("word", "state"), [("git", "revoked"), ("discord", "revoked"), ("spotify", "live")])
def test_a_declined_account_is_ended_at_its_provider(
    user: User, browser: Agent, sandbox: Sandbox, word: str, state: str
) -> None:
    watch = sandbox.watch()
    page = browser.call("GET", browser.consent(access_url(user, word)))
    assert "Nothing was connected" in browser.submit(page, action="/decline").text
    provider = "github" if word == "git" else word
    states = watch.states(provider)
    assert state in states and states <= {state, "unknown"}
    assert not is_connected(user, WORDS[word])


def test_what_was_never_confirmed_ends_with_the_account(user: User, browser: Agent, sandbox: Sandbox) -> None:
    watch = sandbox.watch()
    browser.call("GET", browser.consent(access_url(user, "discord")))
    assert user.call("DELETE", "/api/auth/me", json={"password": PASSWORD}).status_code == 200
    states = watch.states("discord")
    assert "live" not in states and "revoked" in states


def test_a_flow_of_its_own_browser_is_not_asked_about(user: User, browser: Agent) -> None:
    assert browser.connect(user, "github").json()["success"] is True


def test_strict_connect_refuses_url_tokens_and_unbound_callbacks(start_service: StartService) -> None:
    service = start_service(STRICT_CONNECT="true")
    user, agent = service.user(), Agent(service)
    refused = service.call("GET", f"/api/connections/github?token={user.token}")
    assert (refused.status_code, refused.json()["error"]) == (401, "Authentication required")
    assert_lost(agent.call("GET", agent.consent(access_url(user, "git"))), "github")
    assert_lost(agent.call("GET", agent.consent(access_url(user, "spotify"))), "spotify")
    assert agent.connect(user, "github").status_code == 200


def test_access_urls_ask_for_what_the_start_asks_for(user: User, agent: Agent) -> None:
    for word, name in WORDS.items():
        unbound, bound = query_of(access_url(user, word)), query_of(agent.start(user, name))
        for field in ("client_id", "redirect_uri", "scope", "response_type"):
            assert unbound[field] == bound[field]
        assert unbound["state"] != query_of(access_url(user, word))["state"]


def test_without_a_session_store_no_code_is_spent(start_service: StartService, sandbox: Sandbox) -> None:
    service = start_service(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    browser = Agent(service, pages=True)
    callback = browser.consent(access_url(service.user(), "git"))
    browser.session.cookies.set("latchkey", "a-session-that-must-be-looked-up", domain="127.0.0.1")
    sandbox.control.clear_log()
    assert browser.call("GET", callback).json()["code"] == "sessions_unavailable"
    assert not [row for row in sandbox.control.log("github") if row["endpoint"] == "token"]
