"""The reference page in a real browser: for eyes, for screen readers, for the keyboard, on any screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.e2e.conftest import Running
from tests.support import chromium as support

pytestmark = support.NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with support.chromium() as browser:
        yield browser


def opened(chromium: Browser, running: Running, **context: Any) -> Page:
    page = chromium.new_context(**context).new_page()
    page.goto(f"{running.url}/api/docs")
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
def test_it_is_fit_for_every_screen(chromium: Browser, running: Running, width: int, scheme: str) -> None:
    page = opened(chromium, running, viewport={"width": width, "height": 900}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    found = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
    page.context.close()


def test_its_style_is_let_through(chromium: Browser, running: Running) -> None:
    page = opened(chromium, running, viewport={"width": 1440, "height": 900})
    assert page.locator(".contents").evaluate("each => getComputedStyle(each).position") == "sticky"
    page.context.close()


def test_the_keyboard_reaches_an_operation(chromium: Browser, running: Running) -> None:
    page = opened(chromium, running)
    page.get_by_role("link", name="Skip the contents").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "operations"
    page.get_by_role("navigation", name="Contents").get_by_role("link", name="Store a connection").focus()
    page.keyboard.press("Enter")
    assert page.url.endswith("#connections.add")
    assert page.locator("article:target h3").inner_text() == "Store a connection"
    page.context.close()
