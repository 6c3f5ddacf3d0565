"""The pages on the way: what this browser was shown leads on, and no secret stands in for another."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
import requests

from app.extensions import db
from app.http.browser import proof
from app.models import Flow
from app.oauth.flow import fingerprint
from app.services import tickets
from tests.http.test_flows import assert_lost
from tests.http.test_oauth import query_of
from tests.http.test_unbound import access_url, is_connected
from tests.support.browser import Agent
from tests.support.service import Service, StartService, User
from tests.support.sessions import kept

Show = Callable[[User, Agent], requests.Response]


def asked(user: User, browser: Agent) -> requests.Response:
    """Open the page of a link that asks before it goes on."""
    url = user.call("POST", "/api/connections/discord/authorize").json()["connect_url"]
    return browser.call("GET", url)


def held(user: User, browser: Agent) -> requests.Response:
    """Come back from the provider to the page that asks for a confirmation."""
    return browser.call("GET", browser.consent(access_url(user, "discord")))


def ticket_of(page: requests.Response) -> str:
    return str(re.findall(r'action="/connect/([^"/]+)', page.text)[0])


def proof_of(page: requests.Response) -> str:
    return str(re.findall(r'name="proof" value="([^"]+)"', page.text)[0])


def right_proof(browser: Agent, ticket: str) -> dict[str, str]:
    """Return the form that a page of this ticket would have, had this browser been shown one."""
    data = kept(browser.service, browser.session.cookies["latchkey"])
    assert data is not None
    return {"proof": proof(msgspec.msgpack.decode(data)["browser"], ticket)}


def age(service: Service, secret: str, **parts: float) -> None:
    with service.app.app_context():
        db.session.get_one(Flow, fingerprint(secret)).expires_at -= timedelta(**parts)
        db.session.commit()


@pytest.mark.parametrize(
    ("show", "action"),
    [(asked, ""), (held, "/confirm"), (held, "/decline")],
    ids=["go on", "confirm", "decline"],
)
def test_only_this_pages_proof_in_this_browser_leads_on(
    user: User, browser: Agent, service: Service, show: Show, action: str
) -> None:
    stranger, nobody = Agent(service, pages=True), Agent(service, pages=True)
    page, other, strangers = show(user, browser), show(user, browser), show(user, stranger)
    ticket = ticket_of(page)
    forms: list[tuple[Agent, dict[str, str]]] = [
        (browser, {}),
        (browser, {"proof": ""}),
        (browser, {"proof": proof_of(other)}),
        (browser, {"proof": proof_of(strangers)}),
        (stranger, {"proof": proof_of(page)}),
        (nobody, {"proof": proof_of(page)}),
        (nobody, {"proof": fingerprint(f"form None {ticket}")}),
    ]
    for sender, form in forms:
        assert sender.call("POST", f"/connect/{ticket}{action}", data=form).status_code == 410, form
    assert browser.submit(page, action=f"{ticket}{action}").status_code in (200, 303)


@pytest.mark.parametrize("action", ["/confirm", "/decline"])
def test_what_is_held_for_one_browser_is_no_others(
    user: User, browser: Agent, service: Service, action: str
) -> None:
    """Not even if it had the form's proof, which is made of a name that no browser knows."""
    page, stranger = held(user, browser), Agent(service, pages=True)
    held(user, stranger)
    ticket = ticket_of(page)
    answer = stranger.call("POST", f"/connect/{ticket}{action}", data=right_proof(stranger, ticket))
    assert answer.status_code == 410 and not is_connected(user, "discord")
    assert browser.submit(page, action="/confirm").status_code == 200 and is_connected(user, "discord")


def test_a_state_is_no_ticket_and_no_held_answer(user: User, browser: Agent) -> None:
    url = browser.start(user, "discord")
    state = query_of(url)["state"]
    assert browser.call("GET", f"/connect/{state}").status_code == 410
    for action in ("", "/confirm", "/decline"):
        form = right_proof(browser, state)
        assert browser.call("POST", f"/connect/{state}{action}", data=form).status_code == 410, action
    assert browser.call("GET", browser.consent(url)).json()["success"] is True


def test_a_ticket_is_no_state_and_no_held_answer(user: User, browser: Agent) -> None:
    page = asked(user, browser)
    ticket = ticket_of(page)
    for action in ("/confirm", "/decline"):
        form = right_proof(browser, ticket)
        assert browser.call("POST", f"/connect/{ticket}{action}", data=form).status_code == 410, action
    assert_lost(browser.call("GET", f"/api/connections/discord/callback?code=x&state={ticket}"), "discord")
    assert browser.submit(page).status_code == 303


def test_a_held_answer_is_no_state_and_no_ticket(user: User, browser: Agent) -> None:
    page = held(user, browser)
    ticket = ticket_of(page)
    assert browser.call("GET", f"/connect/{ticket}").status_code == 410
    answer = browser.call("POST", f"/connect/{ticket}", data=right_proof(browser, ticket))
    assert answer.status_code == 410
    assert_lost(browser.call("GET", f"/api/connections/discord/callback?code=x&state={ticket}"), "discord")
    assert browser.submit(page, action="/confirm").status_code == 200 and is_connected(user, "discord")


def test_a_link_leads_on_though_somebody_else_has_written_since_it_was_looked_at(
    user: User, browser: Agent, service: Service
) -> None:
    """SQLite lets nobody write who goes by what was true before another process wrote."""
    ticket = ticket_of(asked(user, browser))
    with service.app.app_context():
        tickets.look_at(ticket)
        assert user.call("POST", "/api/connections/discord/authorize").status_code == 200
        assert tickets.redeem(ticket).username == user.username


def test_a_link_asks_for_ten_minutes(user: User, browser: Agent, service: Service) -> None:
    page = asked(user, browser)
    age(service, ticket_of(page), minutes=9)
    assert browser.call("GET", page.url).status_code == 200
    age(service, ticket_of(page), minutes=1, seconds=1)
    assert browser.call("GET", page.url).status_code == 410
    assert browser.submit(page).status_code == 410


def test_a_hop_is_good_for_a_minute(start_service: StartService) -> None:
    service = start_service(host="localhost")
    user, browser = service.user(), Agent(service, pages=True)

    def status_after(seconds: float) -> int:
        hop = browser.call("GET", f"/api/connections/spotify?token={user.token}").headers["Location"]
        age(service, hop.rpartition("/")[2], seconds=seconds)
        return browser.call("GET", hop).status_code

    assert [status_after(seconds) for seconds in (30, 61)] == [302, 410]


def test_no_page_has_room_for_a_script(user: User, browser: Agent) -> None:
    confirmation = held(user, browser)
    pages = [
        browser.call("GET", "/"),
        asked(user, browser),
        confirmation,
        browser.submit(confirmation, action="/confirm"),
        browser.call("GET", "/connect/nothing"),
    ]
    for page in pages:
        assert page.headers["Content-Type"].startswith("text/html")
        directives = [part.split() for part in page.headers["Content-Security-Policy"].split(";")]
        policy = {name: sources for name, *sources in directives}
        assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == ["'none'"]
        assert not any(name.startswith("script-src") for name in policy), page.url
        assert not re.search(r"'unsafe|\*|:(?!//|[0-9])", str(list(policy.values()))), page.url
        assert "<script" not in page.text and "<style" not in page.text
