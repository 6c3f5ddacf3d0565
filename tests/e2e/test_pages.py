"""The pages in a real browser: signing in and out, the keyboard, no scripts, sessions that end."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.e2e.conftest import Arrive
from tests.support.chromium import NEEDS_CHROMIUM
from tests.support.person import Person

pytestmark = NEEDS_CHROMIUM


def focused(page: Page) -> str:
    """Return what the element with the focus is called, or says."""
    told = page.evaluate("(document.activeElement.labels?.[0] ?? document.activeElement).textContent")
    return " ".join(str(told).split())


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what is called so has the focus; each thing on the way must show that it has it."""
    for _ in range(60):
        page.keyboard.press("Tab")
        page.wait_for_function("getComputedStyle(document.activeElement).outlineStyle == 'solid'")
        if focused(page).startswith(name):
            return
    pytest.fail(f"Tab does not come to {name!r}")


def test_registering_leads_to_the_connections(arrive: Arrive) -> None:
    person = arrive()
    person.open("/")
    person.press("Register")
    person.register()
    assert person.path == "/connections" and person.username in person.page.inner_text("header")
    assert person.page.locator("h2").all_inner_texts() == [
        "Gmail", "Google Drive", "Facebook", "GitHub", "Spotify", "Discord",
    ]  # fmt: skip


def test_signing_in_takes_either_name_and_tells_a_wrong_password(person: Person) -> None:
    for name in (person.username, person.email):
        person.press("Sign out")
        person.press("Sign in")
        person.sign_in(name, "not the password")
        assert person.note == "Invalid username or password."
        assert person.field("Username or email address").input_value() == name
        assert person.field("Password").input_value() == ""
        person.sign_in(name)
        assert person.path == "/connections"


def test_registering_marks_what_does_not_fit_and_keeps_the_rest(arrive: Arrive) -> None:
    person = arrive()
    person.open("/register")
    person.fill(Username="two words", Email_address="ada@example.com", Password="correct horse battery")
    person.press("Register")
    assert "marked below" in person.note and "Must not have spaces" in person.main
    assert person.field("Email address").input_value() == "ada@example.com"
    assert person.page.locator("[aria-invalid]").count() == 1


def test_a_session_that_has_ended_leads_through_the_sign_in_back_to_the_list(person: Person) -> None:
    ways = {
        "/connections/discord/disconnect": ("Disconnect", "/connections"),
        "/secrets/new/telegrams": ("Store it", "/secrets"),
    }
    person.connect("discord")
    for page, (button, wanted) in ways.items():
        person.open(page)
        person.page.context.clear_cookies()
        person.press(button)
        assert person.note == "Sign in to go on."
        person.sign_in()
        assert person.path == wanted
    assert person.call("GET", "/api/connections/discord/token").status_code == 200
    assert person.call("GET", "/api/users/:username/get/connections").json() == {"connections": []}


@pytest.mark.parametrize("name", ["github", "spotify"])
def test_a_link_to_a_provider_that_comes_too_late_leads_back_to_the_list(person: Person, name: str) -> None:
    """A browser lets no form, and so no sign-in, redirect it to a provider."""
    person.page.context.clear_cookies()
    person.do(name, "Connect")
    assert person.note == "Sign in to go on."
    person.sign_in()
    assert person.path == "/connections"
    person.do(name, "Connect")
    person.consent()
    assert " connected: " in person.note


def test_a_form_that_is_older_than_the_sign_out_is_refused_and_says_what_to_do(person: Person) -> None:
    id = person.store("telegrams", "alerts", token="s3cret")
    person.open(f"/secrets/{id}/delete")
    other = Person(person.page.context.new_page(), person.url, person.username)
    other.open("/secrets")
    other.press("Sign out")
    other.open("/sign-in")
    other.sign_in()
    person.press("Delete it")
    assert "out of date" in person.page.inner_text("h1") and "load the page again" in person.main
    other.open("/secrets")
    assert "alerts" in other.main


def test_without_scripts_everything_is_there(arrive: Arrive) -> None:
    person = arrive(java_script_enabled=False)
    person.register()
    person.connect("github")
    assert "GitHub connected" in person.note
    person.do("github", "Test")
    assert person.note == "GitHub works: it has just answered."
    person.open("/secrets")
    person.press("Add a secret")
    person.follow(person.page.get_by_role("link", name="SSH host"))
    person.fill(Name="web", Host="192.0.2.7", Username="ada", Password="s3cret words")
    person.press("Store it")
    person.press("Reveal")
    assert "s3cret words" in person.main
    person.press("Change")
    person.fill(Name="web server", Port="2222")
    person.press("Store the changes")
    assert "web server" in person.main and "2222" in person.main
    person.press("Delete")
    person.press("Delete it")
    assert "Nothing is stored yet." in person.main
    person.press("Connections")
    person.do("github", "Disconnect")
    person.press("Disconnect")
    assert "GitHub disconnected." in person.note
    person.press("Activity")
    assert "You deleted the secret" in person.main
    person.press("Sign out")
    assert person.path == "/"


def test_no_page_loads_or_runs_a_script(person: Person) -> None:
    asked: list[str] = []
    person.page.on("request", lambda request: asked.append(request.resource_type))
    for path in ("/connections", "/secrets", "/secrets/new/sshes", "/activity"):
        person.open(path)
        assert person.page.locator("script").count() == 0
    assert not {"script", "xhr", "fetch", "websocket"} & set(asked) and "stylesheet" in asked


def test_the_keyboard_alone_signs_in_connects_and_disconnects(arrive: Arrive) -> None:
    person = arrive()
    person.register()
    person.press("Sign out")
    page, keys = person.page, person.page.keyboard
    tab_to(page, "Sign in")
    keys.press("Enter")
    page.wait_for_url("**/sign-in")
    tab_to(page, "Username or email address")
    keys.type(person.username)
    keys.press("Tab")
    keys.type("correct horse battery")
    tab_to(page, "Sign in")
    keys.press("Space")
    page.wait_for_url("**/connections")
    tab_to(page, "Connect Discord")
    keys.press("Enter")
    person.page.get_by_role("button", name="Allow").press("Enter")
    page.wait_for_url("**connected=discord")
    tab_to(page, "Disconnect Discord")
    keys.press("Enter")
    page.wait_for_url("**/disconnect")
    tab_to(page, "Disconnect")
    keys.press("Space")
    page.wait_for_url("**/connections")
    assert "Discord disconnected." in person.note


def test_the_skip_link_leads_past_the_frame(person: Person) -> None:
    link = person.page.get_by_role("link", name="To the content")
    person.page.keyboard.press("Tab")
    assert focused(person.page) == "To the content"
    box = link.bounding_box()
    assert box is not None and box["x"] >= 0 and box["y"] >= 0
    person.page.keyboard.press("Enter")
    person.page.keyboard.press("Tab")
    assert focused(person.page) == "Connect Gmail"
