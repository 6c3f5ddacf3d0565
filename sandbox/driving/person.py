"""A person with a browser: opens the authorize URL, reads the page, decides."""

from collections.abc import Collection
from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

TIMEOUT = (5, 30)


class PageShown(AssertionError):
    """The provider showed another page than the consent page; the message is its text."""


class Page(HTMLParser):
    """The one form of a page, as a browser would submit it, and the visible text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.action = ""
        self.request = ""
        self.accounts: list[str] = []
        self.scopes: dict[str, bool] = {}
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name, value = given.get("name"), given.get("value") or ""
        if tag == "form":
            self.action = given.get("action") or ""
        elif name == "request":
            self.request = value
        elif name == "account":
            self.accounts.append(value)
        elif name == "scope":
            self.scopes[value] = "disabled" not in given

    def handle_data(self, data: str) -> None:
        self.words += data.split()


def consent(
    session: requests.Session,
    authorize_url: str,
    *,
    account: str = "ada",
    deny: bool = False,
    untick: Collection[str] = (),
) -> str:
    """Allow or deny, and return the callback URL that the browser is sent to; it is not followed."""
    answer = session.get(authorize_url, allow_redirects=False, timeout=TIMEOUT)
    if answer.is_redirect:
        return answer.headers["Location"]
    page = Page(answer.text)
    if answer.status_code != 200 or not page.action:
        raise PageShown(f"{answer.status_code}: {' '.join(page.words)}")
    form = filled(page, account, "deny" if deny else "allow", untick)
    posted = session.post(urljoin(answer.url, page.action), form, allow_redirects=False, timeout=TIMEOUT)
    if not posted.is_redirect:
        raise PageShown(f"{posted.status_code}: {' '.join(Page(posted.text).words)}")
    return posted.headers["Location"]


def filled(page: Page, account: str, decision: str, untick: Collection[str]) -> list[tuple[str, str]]:
    """The fields that a browser sends: a disabled box is not sent, and cannot be unticked."""
    if account not in page.accounts:
        raise PageShown(f"no account {account!r}; there are {', '.join(page.accounts)}")
    stuck = [scope for scope in untick if not page.scopes.get(scope)]
    if stuck:
        raise PageShown(f"cannot untick {', '.join(stuck)}; there are {', '.join(page.scopes)}")
    kept = [scope for scope, loose in page.scopes.items() if loose and scope not in untick]
    fields = [("request", page.request), ("account", account), ("decision", decision)]
    return fields + [("scope", scope) for scope in kept]
