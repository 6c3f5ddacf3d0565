"""Flows below the prefix: every address that is told leads there, and every flow ends there."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest

from app.oauth.provider import Provider
from app.providers import PROVIDERS
from tests.cli.test_cli import command
from tests.hosting.conftest import StartHosted
from tests.support.browser import Agent
from tests.support.hosts import PREFIX, Hosted
from tests.support.rows import ago, change_grant


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_a_flow_comes_back_below_it(service: Hosted, provider: Provider) -> None:
    user, agent, name = service.user(), Agent(service), provider.service.name
    url = agent.start(user, name)
    expected = f"{service.host_url}{PREFIX}/api/connections/{name}/callback"
    assert parse_qs(urlsplit(url).query)["redirect_uri"] == [expected]
    answer = agent.call("GET", agent.consent(url))
    assert (answer.status_code, answer.json()["success"]) == (200, True), answer.text
    token = user.call("GET", f"/api/connections/{name}/token")
    assert token.status_code == 200 and token.json()["access_token"]


def test_connect_url_leads_through_its_page(service: Hosted) -> None:
    user, browser = service.user(), Agent(service, pages=True)
    told = user.call("POST", "/api/connections/github/authorize").json()
    assert told["connect_url"].startswith(f"{service.url}/connect/")
    page = browser.call("GET", told["connect_url"])
    assert page.status_code == 200 and user.username in page.text
    assert styled(browser, page)
    sent = browser.submit(page)
    assert sent.status_code == 303
    assert browser.call("GET", browser.consent(sent.headers["Location"])).json()["success"] is True


@pytest.mark.parametrize("action", ["/confirm", "/decline"])
def test_an_access_url_asks_below_it(service: Hosted, action: str) -> None:
    user, browser = service.user(), Agent(service, pages=True)
    url = user.call("GET", "/api/user/connection/access/github").json()["url"]
    asked = browser.call("GET", browser.consent(url))
    assert asked.status_code == 200 and user.username in asked.text
    said = browser.submit(asked, action=action)
    assert said.status_code == 200
    assert re.findall(r'<a href="([^"]+)"', said.text) == [f"{PREFIX}/"]
    offers = user.call("GET", "/api/connections").json()["connections"]
    connected = {one["service_name"] for one in offers if one["is_connected"]}
    assert connected == ({"github"} if action == "/confirm" else set())


def test_the_way_to_repair_leads_below_it(service: Hosted) -> None:
    user, agent = service.user(), Agent(service)
    agent.connect(user, "facebook")
    change_grant(service, user, "facebook", ended_at=ago())
    path = user.call("GET", "/api/connections/facebook/status").json()["reconnect_path"]
    assert path == f"{PREFIX}/api/connections/facebook"
    assert path in user.call("GET", "/api/connections/facebook/token").json()["error"]
    again = agent.call("GET", service.host_url + path, headers=user.headers)
    assert again.status_code == 302


def test_a_hop_stays_below_it(start_hosted: StartHosted) -> None:
    service = start_hosted(name="localhost")
    user, browser = service.user(), Agent(service, pages=True)
    hop = browser.call("GET", f"/api/connections/spotify?token={user.token}")
    there = f"http://127.0.0.1:{service.port}{PREFIX}"
    assert hop.headers["Location"].startswith(f"{there}/connect/")
    sent = browser.call("GET", hop.headers["Location"])
    callback = browser.consent(sent.headers["Location"])
    assert callback.startswith(f"{there}/api/connections/spotify/callback")
    assert browser.call("GET", callback).json()["success"] is True


def test_the_doctor_looks_below_it(service: Hosted) -> None:
    found = json.loads(command(service, "doctor", "--json").stdout)
    subjects = {one["subject"]: one for one in found}
    assert subjects["public url"]["level"] == "ok", found
    assert not [one for one in found if "redirect URI" in one["what"]], found


def test_security_txt_says_where_it_stands(start_hosted: StartHosted) -> None:
    service = start_hosted(PUBLIC_URL="https://example.com", TRUSTED_HOSTS="127.0.0.1")
    text = service.call("GET", "/.well-known/security.txt").text
    assert f"Canonical: https://example.com{PREFIX}/.well-known/security.txt\n" in text


def styled(browser: Agent, page: object) -> bool:
    """Tell whether the page's style sheet is where the page says."""
    (link,) = re.findall(r'<link rel="stylesheet" href="([^"]+)"', page.text)  # type: ignore[attr-defined]
    answer = browser.call("GET", urljoin(page.url, link))  # type: ignore[attr-defined]
    return answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/css")
