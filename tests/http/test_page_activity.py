"""Activity: the audit of whoever looks, in words."""

from __future__ import annotations

import ast

import pytest

from app.http.pages.sentences import SENTENCES
from tests.http.test_pages import stored
from tests.support.databases import ROOT
from tests.support.service import Service
from tests.support.visitors import Visitor, text_of, visitor_of


@pytest.fixture
def visitor(service: Service) -> Visitor:
    return visitor_of(service)


def actions_recorded() -> set[str]:
    """Every action that is written in the services, with a user whose audit it is in."""
    found = set()
    for path in (ROOT / "app").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("audit.record", "_event"):
                nobodys = any(
                    key.arg == "user_id" and ast.unparse(key.value) == "None" for key in node.keywords
                )
                texts = [each.value for each in ast.walk(node.args[0]) if isinstance(each, ast.Constant)]
                found |= set() if nobodys else {text for text in texts if isinstance(text, str)}
    return found


def test_every_event_has_a_sentence() -> None:
    assert actions_recorded() - {"grant.refresh", "grant.restore"} <= set(SENTENCES)
    assert {"grant.refresh", "grant.restore"} <= set(SENTENCES)


def test_it_tells_who_did_what_with_which(visitor: Visitor, service: Service) -> None:
    page = stored(visitor, name="web")
    visitor.fill_in(page, f"{page}/reveal")
    visitor.connect(visitor.user, "github")
    text = text_of(visitor.call("GET", "/activity"))
    for sentence in (
        "This account was made.",
        "You stored the secret “web”.",
        "You read the secret “web”.",
        "GitHub was connected.",
    ):
        assert sentence in text, sentence
    assert "s3cret words" not in text
    other = visitor_of(service)
    assert "web" not in text_of(other.call("GET", "/activity"))


def test_what_its_owner_should_look_at_stands_out(visitor: Visitor) -> None:
    visitor.session.cookies.clear()
    visitor.sign_in(password="not the password")
    visitor.sign_in()
    page = visitor.call("GET", "/activity")
    assert "Somebody not signed in tried to sign in with a wrong password." in text_of(page)
    assert page.text.count('class="notable"') == 1


def test_it_goes_on_page_by_page(visitor: Visitor) -> None:
    for number in range(3):
        stored(visitor, name=f"number {number}")
    first = visitor.call("GET", "/activity?limit=2")
    assert "number 2" in first.text and "number 0" not in first.text
    older = first.text.split('href="/activity?before=')[1].split('"')[0]
    assert "number 0" in visitor.call("GET", f"/activity?before={older}").text
    assert visitor.call("GET", "/activity?before=x").status_code == 400
