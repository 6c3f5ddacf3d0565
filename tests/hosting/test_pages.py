"""Pages below the prefix: for whoever is signed in at the host, with every link and form in its place."""

from __future__ import annotations

import re

import pytest

from app.services import accounts
from tests.http.test_pages import SSH
from tests.support.hosts import PREFIX, Hosted
from tests.support.visitors import Visitor, text_of


class Guest(Visitor):
    """A browser that is signed in at the host, and never here."""

    def __init__(self, hosted: Hosted, name: str) -> None:
        super(Visitor, self).__init__(hosted, pages=True)
        self.session = hosted.browser(name)


def test_who_is_signed_in_at_the_host_is_here_too(guested: Hosted) -> None:
    guest = Guest(guested, "vera")
    page = guest.call("GET", "/connections")
    assert page.status_code == 200 and "vera" in page.text and "Sign out" not in page.text
    assert guest.call("GET", "/").headers["Location"] == f"{PREFIX}/connections"
    assert guest.call("GET", "/register").status_code == 404


def test_a_secret_is_stored_and_a_service_connected_below_the_prefix(guested: Hosted) -> None:
    guest = Guest(guested, "mina")
    page = guest.fill_in("/secrets/new/sshes", **SSH).headers["Location"].removeprefix(PREFIX)
    assert "s3cret words" in guest.fill_in(page, f"{page}/reveal").text
    url = str(guest.go("/connections/github/connect").headers["Location"])
    back = guest.call("GET", guest.consent(url))
    assert back.headers["Location"].startswith(f"{guested.url}/connections?service=github&connected=github")
    assert "GitHub connected: " in text_of(guest.call("GET", back.headers["Location"]))


@pytest.mark.parametrize(
    "path", ["/connections", "/secrets", "/secrets/new", "/secrets/new/sshes", "/activity"]
)
def test_every_link_stays_below_the_prefix(guested: Hosted, path: str) -> None:
    page = Guest(guested, f"links{path.count('/')}{len(path)}").call("GET", path)
    found = re.findall(r'(?:href|action|formaction)="(/[^"]*)"', page.text)
    assert found and all(link.startswith(f"{PREFIX}/") for link in found), found


def test_nobody_is_told_to_sign_in_at_the_host(guested: Hosted) -> None:
    answer = guested.call("GET", "/connections", headers={"Accept": "text/html"})
    assert answer.status_code == 303 and answer.headers["Location"].startswith(f"{PREFIX}/sign-in")
    page = guested.call("GET", "/sign-in", headers={"Accept": "text/html"})
    assert "the application that brought you here" in text_of(page) and "<form" not in page.text


def test_who_was_shut_out_here_is_told_so(guested: Hosted) -> None:
    guest = Guest(guested, "barred2")
    assert guest.call("GET", "/connections").status_code == 200
    with guested.app.app_context():
        accounts.set_disabled(username="barred2", disabled=True)
    page = guest.call("GET", "/connections")
    assert page.status_code == 401 and "You cannot use this service" in text_of(page)
