"""Connections on the page, through the sandbox's consent screen: made, refused, mended, replaced, ended."""

from __future__ import annotations

import pytest

from sandbox.driver import Control
from tests.e2e.conftest import Arrive
from tests.support.chromium import NEEDS_CHROMIUM
from tests.support.person import Person

pytestmark = NEEDS_CHROMIUM

TOGETHER = {"gmail": "drive", "drive": "gmail"}
TITLES = {
    "gmail": "Gmail and Drive",
    "drive": "Gmail and Drive",
    "facebook": "Facebook",
    "github": "GitHub",
    "spotify": "Spotify",
    "discord": "Discord",
}


def connected(person: Person) -> set[str]:
    """Return what the API says is connected."""
    rows = person.call("GET", "/api/connections").json()["connections"]
    return {row["service_name"] for row in rows if row["is_connected"]}


def health(person: Person, name: str) -> str:
    return person.row(name).locator(".health").inner_text()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_each_service_is_connected_and_disconnected_at_either_name(arrive: Arrive, host: str) -> None:
    person = arrive(host).enter()
    for name, title in TITLES.items():
        person.connect(name)
        assert person.note.startswith(f"{title} connected: ") and host in person.page.url, name
        assert "is connected" in health(person, name)
        both = {name, TOGETHER.get(name, name)}
        assert connected(person) == both
        person.do(name, "Disconnect")
        assert ("Ends with it" in person.main) == (len(both) == 2)
        person.press("Disconnect")
        assert person.note.count(" disconnected. ") == 1 and connected(person) == set(), name


def test_a_denial_is_told_and_nothing_is_connected(person: Person) -> None:
    person.connect("discord", decision="Deny")
    assert person.note.startswith("Discord was not connected: it was declined at Discord")
    assert connected(person) == set() and person.row("discord").get_by_text("Connect").count()


@pytest.mark.parametrize(
    ("name", "provider", "scope"),
    [("facebook", "facebook", "user_posts"), ("gmail", "google", "https://www.googleapis.com/auth/drive")],
)
def test_a_scope_that_was_unticked_is_shown_missing_and_allowed_later(
    person: Person, control: Control, name: str, provider: str, scope: str
) -> None:
    account = person.username  # which has allowed nothing to nobody before
    control.add_account(provider, account)
    person.connect(name, account, untick=scope)
    assert person.row(name).locator("li.missing").inner_text() == f"{scope} missing"
    person.do(name, "Allow the rest")
    person.consent(account)
    assert "connected" in person.note
    assert person.row(name).locator("li.missing").count() == 0
    assert "is connected" in health(person, name)


def test_the_same_account_is_connected_again(person: Person) -> None:
    person.connect("github")
    person.connect("github", verb="Reconnect")
    assert person.note == "GitHub connected: ada." and connected(person) == {"github"}


def test_another_account_is_told_and_replaces_the_first_one_only_when_asked(person: Person) -> None:
    person.connect("gmail")
    person.connect("gmail", "grace", "Reconnect")
    assert "You chose another account" in person.note and "Nothing was changed" in person.note
    assert "ada@example.com" in person.row("drive").inner_text()
    person.press("Connect the other account instead")
    person.consent("grace")
    assert person.note == "Gmail and Drive connected: grace@example.com."
    assert "grace@example.com" in person.row("drive").inner_text()


def test_a_dead_grant_is_found_by_a_test_and_mended_by_connecting_again(
    person: Person, control: Control
) -> None:
    control.add_account("spotify", person.username)
    person.connect("spotify", person.username)
    person.do("spotify", "Test")
    assert person.note == "Spotify works: it has just answered."
    control.revoke("spotify", person.username)
    person.do("spotify", "Test")
    assert "does not accept this connection any more" in person.note
    assert "The connection to Spotify has ended" in health(person, "spotify")
    person.do("spotify", "Reconnect")
    person.consent(person.username)
    assert "is connected" in health(person, "spotify")
    person.do("spotify", "Test")
    assert person.note == "Spotify works: it has just answered."


def test_a_provider_that_is_down_is_no_end(person: Person, control: Control) -> None:
    person.connect("discord")
    control.fault("discord", "identity", "status", status=503, times=0)
    try:
        person.do("discord", "Test")
    finally:
        control.clear_faults("discord")
    assert person.note == "Discord did not answer. Nothing is lost; try again in a moment."
    assert "is connected" in health(person, "discord")


def test_two_flows_in_two_tabs_both_finish(person: Person) -> None:
    other = Person(person.page.context.new_page(), person.url, person.username)
    for tab, name in ((person, "github"), (other, "discord")):
        tab.open("/connections")
        tab.do(name, "Connect")
    person.consent()
    assert "GitHub connected" in person.note
    other.consent()
    assert "Discord connected" in other.note and connected(person) == {"github", "discord"}


def test_going_back_after_connecting_shows_what_is_so_and_connects_nothing_twice(person: Person) -> None:
    person.connect("github")
    person.page.go_back()
    person.page.go_back()
    assert person.path == "/connections" and "is connected" in health(person, "github")
    person.page.go_forward()
    person.press("Allow")
    assert connected(person) == {"github"}
    person.open("/connections")
    person.do("github", "Test")
    assert person.note == "GitHub works: it has just answered."


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("name", ["github", "spotify"])
def test_a_link_from_elsewhere_asks_before_it_goes_on(arrive: Arrive, host: str, name: str) -> None:
    """Spotify comes back to 127.0.0.1, the others to localhost: the form leads there first."""
    person, title = arrive(host).enter(), TITLES[name]
    person.open(f"/connections/{name}/connect")
    assert f"Connect {title}?" in person.main and person.username in person.main
    person.press(f"Continue to {title}")
    person.consent()
    assert f"{title} connected" in person.note and host in person.page.url


@pytest.mark.parametrize(("button", "wanted"), [("Connect", {"spotify"}), ("Decline", set())])
def test_an_access_url_ends_on_a_page_that_asks(person: Person, button: str, wanted: set[str]) -> None:
    person.page.goto(person.call("GET", "/api/user/connection/access/spotify").json()["url"])
    person.consent()
    assert person.page.inner_text("h1") == "Is this right?" and person.username in person.page.inner_text(
        "dl"
    )
    person.press(button)
    assert connected(person) == wanted


def test_a_connect_url_tells_whose_account_it_will_be(person: Person) -> None:
    person.page.goto(person.call("POST", "/api/connections/discord/authorize").json()["connect_url"])
    assert person.username in person.page.inner_text("dl")
    person.press("Continue to Discord")
    person.consent()
    assert connected(person) == {"discord"}
