"""A person at the pages, as far as HTTP goes: signs in, follows links, fills in the forms that are shown."""

from __future__ import annotations

import html
import re
from typing import Any

import requests

from tests.support.browser import Agent
from tests.support.service import PASSWORD, Service, User

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


class Visitor(Agent):
    """A browser that is signed in as this user."""

    def __init__(self, user: User) -> None:
        super().__init__(user.service, pages=True)
        self.user = user
        assert self.sign_in().status_code == 303

    def sign_in(
        self, name: str | None = None, password: str = PASSWORD, query: str = ""
    ) -> requests.Response:
        form = {"name": name or self.user.username, "password": password}
        return self.fill_in(f"/sign-in{query}", **form)

    def fill_in(self, path: str, action: str = "", **fields: str) -> requests.Response:
        """Open a page, and send the form on it that leads to `action`, or the one that leads nowhere else."""
        page = self.call("GET", path)
        assert page.status_code == 200, page.text
        return self.send(action or path, page, **fields)

    def send(self, path: str, page: requests.Response, **fields: str) -> requests.Response:
        return self.call("POST", path, data={"proof": proof_of(page), **fields})

    def go(self, path: str, **kwargs: Any) -> requests.Response:
        """Follow a link of a page of ours."""
        return self.call("GET", path, headers=SAME_ORIGIN, **kwargs)

    def connect(self, user: User, service: str, query: str = "", **choices: Any) -> requests.Response:
        """Connect a service on the page of connections; return the page that the flow comes back to."""
        url = str(self.go(f"/connections/{service}/connect{query}").headers["Location"])
        back = self.call("GET", self.consent(url, **choices))
        assert back.status_code == 303, back.text
        return self.call("GET", back.headers["Location"])


def visitor_of(service: Service) -> Visitor:
    return Visitor(service.user())


def proof_of(page: requests.Response) -> str:
    return re.findall(r'name="proof" value="([^"]+)"', page.text)[-1]


def text_of(page: requests.Response) -> str:
    """Return what is read on a page: its words, single-spaced."""
    main = re.sub("</?bdi>", "", page.text[page.text.index("<main") :])
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", main)).split())
