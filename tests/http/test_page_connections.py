"""Connections on pages: connected, repaired and removed with a browser, and what the page says of it."""

from __future__ import annotations

import pytest

from app.extensions import db
from app.models import Grant
from tests.http.test_oauth import query_of
from tests.support.browser import Agent, new_account
from tests.support.guards import NAMES
from tests.support.providers import Fault
from tests.support.service import PASSWORD, Service, StartService
from tests.support.visitors import Visitor, text_of, visitor_of

TITLES = {
    "gmail": "Gmail and Drive", "drive": "Gmail and Drive", "facebook": "Facebook", "github": "GitHub",
    "spotify": "Spotify", "discord": "Discord",
}  # fmt: skip


@pytest.fixture
def visitor(service: Service) -> Visitor:
    return visitor_of(service)


def health(visitor: Visitor, name: str) -> str:
    return str(visitor.user.call("GET", f"/api/connections/{name}/status").json()["health"])


@pytest.mark.parametrize("name", NAMES)
def test_connects_and_says_whose_account_it_is(visitor: Visitor, name: str) -> None:
    page = visitor.connect(visitor.user, name)
    assert page.status_code == 200 and f"{TITLES[name]} connected: " in text_of(page)
    status = visitor.user.call("GET", f"/api/connections/{name}/status").json()
    assert status["account_label"] in text_of(visitor.call("GET", "/connections"))


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", None])
def test_a_link_of_another_site_begins_nothing_by_itself(visitor: Visitor, site: str | None) -> None:
    headers = {} if site is None else {"Sec-Fetch-Site": site}
    asked = visitor.call("GET", "/connections/github/connect", headers=headers)
    assert asked.status_code == 200 and "Connect GitHub?" in text_of(asked)
    origin = query_of(visitor.go("/connections/github/connect").headers["Location"])["redirect_uri"]
    policy = asked.headers["Content-Security-Policy"]
    assert "form-action 'self' http://127.0.0.1:" in policy and origin.startswith(visitor.service.url)
    sent = visitor.send("/connections/github/connect", asked)
    assert sent.status_code == 303 and "/github/" in sent.headers["Location"]
    back = visitor.call("GET", visitor.consent(sent.headers["Location"]))
    assert back.headers["Location"].startswith(f"{visitor.service.url}/connections?service=github")


def test_a_denial_says_what_happened_and_changes_nothing(visitor: Visitor) -> None:
    page = visitor.connect(visitor.user, "discord", deny=True)
    assert "Discord was not connected: it was declined" in text_of(page)
    assert "Connect Discord" in text_of(page)


def test_an_unticked_permission_is_shown_and_can_be_allowed_later(visitor: Visitor) -> None:
    drive = "https://www.googleapis.com/auth/drive"
    page = visitor.connect(visitor.user, "gmail", untick=[drive])
    assert health(visitor, "drive") == "missing_scopes"
    assert f"{drive} missing" in text_of(page) and "Allow the rest" in text_of(page)
    account = visitor.user.call("GET", "/api/connections/gmail/status").json()["account_label"]
    url = visitor.go("/connections/drive/connect?scopes=missing").headers["Location"]
    assert query_of(url)["scope"] == drive
    assert account


def test_another_account_is_told_and_can_take_its_place(visitor: Visitor) -> None:
    visitor.connect(visitor.user, "github")
    first = visitor.user.call("GET", "/api/connections/github/status").json()["account_id"]
    page = visitor.connect(visitor.user, "github")
    assert "You chose another account" in text_of(page)
    assert 'href="/connections/github/connect?replace=true"' in page.text
    assert visitor.user.call("GET", "/api/connections/github/status").json()["account_id"] == first
    page = visitor.connect(visitor.user, "github", "?replace=true")
    assert "GitHub connected: " in text_of(page)
    assert visitor.user.call("GET", "/api/connections/github/status").json()["account_id"] != first


def test_a_dead_grant_is_told_and_repaired_by_its_link(visitor: Visitor, service: Service) -> None:
    account = new_account(str(visitor.go("/connections/spotify/connect").headers["Location"]))
    visitor.connect(visitor.user, "spotify", account=account)
    with service.app.app_context():
        grant = db.session.query(Grant).where(Grant.user_id == visitor.user.id).one()
        grant.end(grant.token_at)
        db.session.commit()
    page = visitor.call("GET", "/connections")
    assert "The connection to Spotify has ended. Connect Spotify again." in text_of(page)
    assert "Reconnect Spotify" in text_of(page)
    assert "Spotify connected: " in text_of(visitor.connect(visitor.user, "spotify", account=account))
    assert health(visitor, "spotify") == "ok"


def test_a_test_says_how_it_went(visitor: Visitor, fault: Fault) -> None:
    visitor.connect(visitor.user, "github")
    assert visitor.fill_in("/connections", "/connections/github/test").status_code == 303
    assert "GitHub works: it has just answered." in text_of(visitor.call("GET", "/connections"))
    fault("github", "identity", "status", status=503)
    visitor.fill_in("/connections", "/connections/github/test")
    page = text_of(visitor.call("GET", "/connections"))
    assert "GitHub did not answer. Nothing is lost" in page
    assert "GitHub did not answer" not in text_of(visitor.call("GET", "/connections")), "it is told once"


def test_disconnecting_says_before_what_ends_with_it(visitor: Visitor) -> None:
    visitor.connect(visitor.user, "drive")
    asked = visitor.call("GET", "/connections/drive/disconnect")
    assert "Ends with it Gmail" in text_of(asked)
    assert visitor.send("/connections/drive/disconnect", asked).headers["Location"] == "/connections"
    page = text_of(visitor.call("GET", "/connections"))
    assert "Google Drive and Gmail disconnected. The permission has ended at Google, too." in page
    assert visitor.call("GET", "/connections/gmail/disconnect").status_code == 404


def test_what_is_not_set_up_cannot_be_connected(start_service: StartService) -> None:
    visitor = visitor_of(start_service(DISCORD_CLIENT_ID="", DISCORD_CLIENT_SECRET=""))
    page = visitor.call("GET", "/connections")
    assert "Not set up by the operator" in text_of(page) and "/connections/discord/connect" not in page.text
    assert visitor.go("/connections/discord/connect").status_code == 503
    assert visitor.go("/connections/nothing/connect").status_code == 404


def test_a_query_that_nobody_made_here_tells_nothing(visitor: Visitor) -> None:
    for query in (
        "?connected=github",
        "?service=github&connected=github",
        "?service=<b>&error=x",
        "?error=oauth_error",
    ):
        assert "note" not in visitor.call("GET", f"/connections{query}").text.split("<main")[1], query


def test_a_flow_of_the_pages_comes_back_to_the_name_that_it_began_at(start_service: StartService) -> None:
    service = start_service(host="localhost")
    visitor, there = visitor_of(service), f"http://127.0.0.1:{service.port}"
    visitor.fill_in(f"{there}/sign-in", name=visitor.user.username, password=PASSWORD)
    hop = visitor.go(f"{there}/connections/github/connect").headers["Location"]
    assert hop.startswith(f"{service.url}/connect/")
    browser = Agent(service, pages=True)
    callback = browser.consent(browser.call("GET", hop).headers["Location"])
    back = browser.call("GET", callback).headers["Location"]
    assert back.startswith(f"{there}/connections?service=github&connected=github")
    assert "GitHub connected: " in text_of(visitor.call("GET", back))


@pytest.mark.parametrize("path", ["/connections", "/secrets?x=1", "//evil.example", "https://evil.example"])
def test_the_api_still_returns_to_listed_origins_alone(visitor: Visitor, path: str) -> None:
    answer = visitor.user.call("GET", "/api/connections/github", params={"return_to": path})
    assert (answer.status_code, answer.json()["code"]) == (400, "return_to_not_allowed")
