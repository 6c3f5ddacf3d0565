"""Secrets on the pages: stored byte for byte, shown on purpose, changed field by field, deleted for good."""

from __future__ import annotations

import contextlib
from typing import Any

from playwright.sync_api import Error, expect

from tests.support.chromium import NEEDS_CHROMIUM
from tests.support.person import Person
from tests.support.scenes import KEY

pytestmark = NEEDS_CHROMIUM


def new(person: Person, type: str, **fields: str) -> None:
    """Fill in the form of a type, and send it."""
    person.open(f"/secrets/new/{type}")
    person.fill(**fields)
    person.press("Store it")


def stored(person: Person) -> dict[str, Any]:
    """Return what the API says is in the secret whose page is shown."""
    path = f"/api/users/:username/get/connection/{person.path.rsplit('/')[2]}"
    return dict(person.call("GET", path).json())


def test_an_ssh_host_is_stored_revealed_changed_and_deleted(person: Person) -> None:
    new(person, "sshes", Name="web", Host="192.0.2.7", Username="ada", Private_key=KEY, Passphrase="s3cret")
    assert person.note == "It is stored, sealed." and KEY.split()[1] not in person.page.content()
    assert stored(person)["data"] == {
        "host": "192.0.2.7", "username": "ada", "sshKey": KEY, "passphrase": "s3cret",
    }  # fmt: skip
    person.press("Reveal")
    assert KEY.strip() in person.main and "s3cret" in person.main
    person.press("Hide")
    assert "s3cret" not in person.page.content()
    person.press("Change")
    assert "s3cret" not in person.page.content() and KEY[:20] not in person.page.content()
    person.fill(Name="web server", Password="another one", Commands="uptime\nwho")
    person.page.locator('[name="remove-passphrase"]').check()
    person.press("Store the changes")
    found = stored(person)
    assert found["name"] == "web server"
    assert found["data"] == {
        "host": "192.0.2.7", "username": "ada", "sshKey": KEY, "password": "another one",
        "commands": ["uptime", "who"],
    }  # fmt: skip
    person.press("Change")
    person.fill(Password="yet another")
    person.press("Store the changes")
    assert stored(person)["data"] == {**found["data"], "password": "yet another"}
    person.press("Delete")
    person.press("Delete it")
    assert person.note == "It is gone." and "Nothing is stored yet." in person.main


def test_headers_become_names_and_values(person: Person) -> None:
    new(
        person, "http", Name="status", URL="https://status.example.com/a?b=c", Headers="X-One: 1\nX-Two: a: b"
    )
    assert stored(person)["data"] == {
        "url": "https://status.example.com/a?b=c", "headers": {"X-One": "1", "X-Two": "a: b"},
    }  # fmt: skip
    person.press("Change")
    person.fill(Headers="no colon")
    person.press("Store the changes")
    assert "a name, a colon and a value" in person.main


def test_a_mail_server_has_a_port_and_says_whether_it_speaks_tls(person: Person) -> None:
    person.open("/secrets/new/smtp")
    person.fill(Name="mail", Host="mail.example.com", Port="587")
    person.field("TLS").select_option("Yes")
    person.press("Store it")
    assert stored(person)["data"] == {"host": "mail.example.com", "port": 587, "tls": True}
    person.press("Change")
    person.field("TLS").select_option("Not said")
    person.press("Store the changes")
    assert stored(person)["data"] == {"host": "mail.example.com", "port": 587}


def test_anything_else_has_fields_of_its_own(person: Person) -> None:
    person.open("/secrets/new/custom")
    for number, (name, value) in enumerate({"code": "1 2 3", "note": "خادم 🔑"}.items()):
        person.page.locator(f"#other-name-{number}").fill(name)
        person.page.locator(f"#other-value-{number}").fill(value)
    person.press("Store it")
    assert stored(person)["data"] == {"code": "1 2 3", "note": "خادم 🔑"}
    assert "1 2 3" not in person.page.content()


def test_what_does_not_fit_is_marked_and_nothing_else_is_lost(person: Person) -> None:
    person.open("/secrets/new/sshes")
    person.fill(Name="web", Host="two words", Username="ada", Port="70000", Commands="uptime\n\nwho")
    person.fill(Password="s3cret words")
    person.press("Store it")
    assert "marked below" in person.note and "must be entered again" in person.main
    assert person.page.locator("[aria-invalid]").count() == 2
    kept = {
        "Name": "web",
        "Host": "two words",
        "Username": "ada",
        "Port": "70000",
        "Commands": "uptime\n\nwho",
    }
    assert {label: person.field(label).input_value() for label in kept} == kept
    assert "s3cret words" not in person.page.content()
    person.fill(Host="192.0.2.7", Port="22", Password="s3cret words")
    person.press("Store it")
    assert stored(person)["data"]["password"] == "s3cret words"


def test_a_change_that_is_refused_keeps_what_was_typed_and_what_is_stored(person: Person) -> None:
    new(person, "sshes", Name="web", Host="192.0.2.7", Username="ada", Password="s3cret words", Port="22")
    before = stored(person)
    person.press("Change")
    person.fill(Name="web server", Username="grace", Port="none", Commands="uptime")
    person.press("Store the changes")
    kept = {"Name": "web server", "Username": "grace", "Port": "none", "Commands": "uptime"}
    assert {label: person.field(label).input_value() for label in kept} == kept
    assert stored(person) == before
    person.fill(Port="2222")
    person.press("Store the changes")
    assert stored(person)["data"] == {
        "host": "192.0.2.7", "username": "grace", "password": "s3cret words", "port": 2222,
        "commands": ["uptime"],
    }  # fmt: skip


def back(person: Person) -> str:
    """Go back, as far as the browser still has the page; return what it shows then."""
    with person.page.expect_event("framenavigated"), contextlib.suppress(Error):
        person.page.go_back()  # it fails where a form's answer was not kept: then the page is the browser's
    person.page.wait_for_load_state()
    return person.page.content()


def test_going_back_brings_no_secret_from_the_cache(person: Person) -> None:
    new(person, "telegrams", Name="alerts", Token="s3cret words")
    person.press("Reveal")
    expect(person.page.locator("dl")).to_contain_text("s3cret words")
    page = person.path.removesuffix("/reveal")
    person.press("Hide")
    assert "s3cret words" not in back(person)
    person.open(page)
    person.press("Sign out")
    for _ in range(4):
        shown = back(person)
        assert "s3cret words" not in shown and "alerts" not in shown


def test_going_back_after_deleting_finds_nothing(person: Person) -> None:
    new(person, "telegrams", Name="alerts", Token="s3cret words")
    person.press("Delete")
    person.press("Delete it")
    person.page.go_back()
    assert "Your secrets are all in the list" in person.main
    assert "alerts" not in person.main
