"""A person in a real browser: does at the pages what people do, and reads what they show."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import requests
from playwright.sync_api import Locator, Page

from tests.support.service import PASSWORD

_numbers = itertools.count(1)


class Person:
    """`page` is the tab that is looked at, `url` the address of the service as this person writes it.

    `headers` are sent with every call of the API.
    """

    def __init__(
        self, page: Page, url: str, username: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        self.page, self.url = page, url
        self.username = username or f"person{next(_numbers)}"
        self.email, self.headers = f"{self.username}@example.com", dict(headers or {})

    @property
    def main(self) -> str:
        """Return what is read on the page, its frame aside."""
        return self.page.inner_text("main")

    @property
    def note(self) -> str:
        """Return what the page says has come of what was done."""
        return self.page.locator(".note").first.inner_text()

    @property
    def path(self) -> str:
        return self.page.url.removeprefix(self.url)

    def open(self, path: str) -> None:
        self.page.goto(self.url + path)

    def press(self, name: str) -> None:
        """Press the button, or follow the link, of this name."""
        button = self.page.get_by_role("button", name=name, exact=True)
        link = self.page.get_by_role("link", name=name, exact=True)
        self.follow(button.or_(link).first)

    def follow(self, leading: Locator) -> None:
        """Click on what leads to another page, and wait for it."""
        with self.page.expect_navigation():
            leading.click()

    def fill(self, **fields: str) -> None:
        """Fill in fields by their labels; `_` stands for a space."""
        for label, value in fields.items():
            self.field(label.replace("_", " ")).fill(value)

    def field(self, label: str) -> Locator:
        return self.page.get_by_label(label).first

    def register(self) -> None:
        self.open("/register")
        self.fill(Username=self.username, Email_address=self.email, Password=PASSWORD)
        self.press("Register")

    def enter(self) -> Person:
        """Make an account and sign in to it, without the form that this is not about."""
        body = {"username": self.username, "email": self.email, "password": PASSWORD}
        answer = self.call("POST", "/api/auth/register", json=body)
        assert answer.status_code == 201, answer.text
        self.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        self.open("/sign-in")
        self.sign_in()
        return self

    def sign_in(self, name: str | None = None, password: str = PASSWORD) -> None:
        self.fill(Username_or_email_address=name or self.username, Password=password)
        self.press("Sign in")

    def row(self, name: str) -> Locator:
        """Return the row of this service on the page of connections."""
        return self.page.locator(f"li#{name}")

    def do(self, name: str, verb: str) -> None:
        """Press what is called so in the row of this service."""
        self.follow(self.row(name).locator(".do").locator("a, button").filter(has_text=verb).first)

    def connect(self, name: str, account: str = "ada", verb: str = "Connect", **choices: Any) -> None:
        """Go from the page of connections to the provider, and come back."""
        self.open("/connections")
        self.do(name, verb)
        self.consent(account, **choices)

    def consent(self, account: str = "ada", *, untick: str | None = None, decision: str = "Allow") -> None:
        """Answer the provider's screen."""
        self.page.locator(f'input[name="account"][value="{account}"]').check()
        if untick:
            self.page.locator(f'input[name="scope"][value="{untick}"]').uncheck()
        self.press(decision)

    def call(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """Call the API as this person's program. `:username` in the path is this person's."""
        path = path.replace(":username", self.username)
        return requests.request(method, self.url + path, headers=self.headers, timeout=20, **kwargs)

    def store(self, type: str, name: str, **data: Any) -> int:
        """Store a secret with the API; return its id."""
        body = {"name": name, "type": type, "data": data}
        answer = self.call("POST", "/api/users/:username/add/connection", json=body)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])
