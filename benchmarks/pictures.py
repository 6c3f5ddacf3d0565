"""python -m benchmarks.pictures: photograph the pages, as docs/pictures shows them.

    make pictures                       the few that the documents show
    make pictures ARGS="--all FOLDER"   every page, in two sizes and both colour schemes, into FOLDER

A service, a sandbox and a made-up user are started for it, and end with it.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page
from sqlalchemy import select

from app.extensions import db
from app.models import AuditEvent, now
from tests.conftest import start
from tests.support import scenes
from tests.support.chromium import SCHEMES, SIZES, chromium, new_page, show_as
from tests.support.databases import ROOT, SqliteDatabases
from tests.support.person import Person
from tests.support.providers import Sandbox
from tests.support.scenes import Scene
from tests.support.service import Service

SHOWN = ROOT / "docs" / "pictures"
WIDTH, HEIGHT = 1200, 1260  # of the pictures in the documents, in pixels; shorter where a page is
DOCUMENTED: tuple[tuple[str, Literal["light", "dark"]], ...] = (
    ("connections", "light"),
    ("connections", "dark"),
    ("secrets", "light"),
    ("activity", "light"),
)
ADDRESS = "192.0.2.7"


def main() -> int:
    arguments = argparse.ArgumentParser(description="Photograph the pages.")
    arguments.add_argument("--all", type=Path, metavar="FOLDER", help="every page, into this folder")
    folder = arguments.parse_args().all
    with house() as (service, sandbox), chromium() as browser:
        if folder is None:
            document(browser, service, sandbox)
        else:
            survey(browser, service, sandbox, folder)
    return 0


@contextlib.contextmanager
def house() -> Iterator[tuple[Service, Sandbox]]:
    with tempfile.TemporaryDirectory() as folder:
        sandbox, databases = Sandbox.start(), SqliteDatabases(Path(folder))
        service = start(databases.new(), sandbox, host="localhost", TRUSTED_PROXIES="1")
        try:
            yield service, sandbox
        finally:
            service.close()
            sandbox.stop()


def visitor(browser: Browser, service: Service, username: str) -> Person:
    headers = {"X-Forwarded-For": ADDRESS, "X-Forwarded-Proto": "http"}
    page = new_page(browser, extra_http_headers=headers)
    return Person(page, service.url, username, headers)


def document(browser: Browser, service: Service, sandbox: Sandbox) -> None:
    """Write the pictures of docs/pictures."""
    SHOWN.mkdir(exist_ok=True)
    ada = visitor(browser, service, "ada").enter()
    scenes.furnish(ada, sandbox.control)
    spread(service, timedelta(hours=3))
    ada.page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    for name, scheme in DOCUMENTED:
        ada.open(f"/{name}")
        ada.page.emulate_media(color_scheme=scheme)
        crop(ada.page, SHOWN / f"{name}-{scheme}.png")


def survey(browser: Browser, service: Service, sandbox: Sandbox, folder: Path) -> None:
    """Write a picture of every page in every state, size and colour scheme."""
    folder.mkdir(parents=True, exist_ok=True)
    take(visitor(browser, service, "nobody"), scenes.ANONYMOUS, folder)
    take(visitor(browser, service, "grace").enter(), scenes.EMPTY, folder)
    ada = visitor(browser, service, "ada").enter()
    scenes.furnish(ada, sandbox.control)
    take(ada, scenes.FURNISHED, folder)
    crowded = visitor(browser, service, "m" * 64).enter()
    scenes.crowd(crowded, readings=270)
    take(crowded, scenes.CROWDED, folder)


def take(person: Person, shown: Mapping[str, Scene], folder: Path) -> None:
    for name, go in shown.items():
        go(person)
        for size in SIZES:
            for scheme in SCHEMES:
                show_as(person.page, size, scheme)
                shoot(person.page, folder / f"{name}-{size}-{scheme}.png")
        show_as(person.page, "desktop", "light")


def crop(page: Page, path: Path) -> None:
    """Write a picture that ends with the page's last list, or at HEIGHT."""
    box = page.locator("main > :last-child").bounding_box()
    assert box is not None
    height = min(HEIGHT, box["y"] + box["height"] + 40)
    page.screenshot(path=path, clip={"x": 0, "y": 0, "width": WIDTH, "height": height})


def shoot(page: Page, path: Path) -> None:
    page.screenshot(path=path, full_page=True)


def spread(service: Service, step: timedelta) -> None:
    """Let what was done in a few seconds have been done over some days."""
    with service.app.app_context():
        events = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()))
        for number, event in enumerate(events):
            event.at = now() - number * step
        db.session.commit()


if __name__ == "__main__":
    sys.exit(main())
