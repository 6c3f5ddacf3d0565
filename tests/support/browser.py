"""A browser as far as HTTP tells one from a program: cookies, Accept, and a hand on the consent screen."""

from __future__ import annotations

import html
import re
import uuid
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from sandbox.driver import Control, consent
from tests.support.service import Service, User

HTML = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


def new_account(authorize_url: str) -> str:
    """Add an account at the provider of this URL; return its key."""
    parts, key = urlsplit(authorize_url), f"person-{uuid.uuid4().hex[:12]}"
    Control(f"{parts.scheme}://{parts.netloc}").add_account(parts.path.split("/")[1], key)
    return key


class Agent:
    """Keeps cookies; follows nothing by itself. With `pages`, it asks as browsers do."""

    def __init__(self, service: Service, *, pages: bool = False) -> None:
        self.service = service
        self.session = requests.Session()
        self.session.trust_env = False
        self.headers = HTML if pages else {}

    def call(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        headers = {**self.headers, **kwargs.pop("headers", {})}
        kwargs.setdefault("allow_redirects", False)
        url = url if url.startswith("http") else self.service.url + url
        return self.session.request(method, url, headers=headers, timeout=30, **kwargs)

    def start(self, user: User, service: str, query: str = "", **kwargs: Any) -> str:
        """Begin a flow; return the provider's authorization URL."""
        path = f"/api/connections/{service}{query}"
        answer = self.call("GET", path, headers=user.headers, **kwargs)
        assert answer.status_code == 302, answer.text
        return str(answer.headers["Location"])

    def consent(self, authorize_url: str, *, account: str | None = None, **choices: Any) -> str:
        """Answer the provider's screen; return the callback that it redirects to.

        Without an account it is one that nobody else has: what is done to its grant concerns this test only.
        """
        account = account or new_account(authorize_url)
        return consent(self.session, authorize_url, account=account, **choices)

    def connect(self, user: User, service: str, query: str = "", **choices: Any) -> requests.Response:
        """Go the whole way; return the callback's answer."""
        return self.call("GET", self.consent(self.start(user, service, query), **choices))

    def submit(self, page: requests.Response, *, action: str | None = None) -> requests.Response:
        """Send the page's form as its first button does, or the button that leads to `action`."""
        found = re.search(r'<form method="post" action="([^"]+)"', page.text)
        assert found, page.text
        targets = [found[1], *re.findall(r'formaction="([^"]+)"', page.text)]
        target = next(url for url in targets if action is None or url.endswith(action))
        fields = re.findall(r'name="(\w+)" value="([^"]*)"', page.text)
        data = {name: html.unescape(value) for name, value in fields}
        return self.call("POST", urljoin(page.url, html.unescape(target)), data=data)
