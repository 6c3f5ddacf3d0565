"""A real browser, where the machine has one: without pictures of its own, and without calls to its maker."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
NEEDS_CHROMIUM = pytest.mark.skipif(not CHROMIUM.exists(), reason="left out: no Chromium on this machine")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = {"desktop": (1440, 900), "phone": (360, 780)}
SCHEMES = ("light", "dark")
PATIENCE = 20_000  # milliseconds: everything else on the machine may be busy, too


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


def new_page(browser: Browser, **settings: Any) -> Page:
    """Open a page that shares nothing with others: cookies, cache and history are its own."""
    width, height = SIZES["desktop"]
    usual = {"viewport": {"width": width, "height": height}, "reduced_motion": "reduce", "locale": "en-GB"}
    page = browser.new_context(**{**usual, **settings}).new_page()
    page.set_default_timeout(PATIENCE)
    return page


def show_as(page: Page, size: str, scheme: str) -> None:
    """Let the page be seen in one of SIZES and one of SCHEMES."""
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
