"""Every page in both sizes and colour schemes: axe-core objects to nothing, and it fits its window."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from axe_playwright_python.sync_playwright import DEFAULT_OPTIONS, Axe

from sandbox.driver import Control
from tests.e2e.conftest import Arrive
from tests.support import scenes
from tests.support.chromium import NEEDS_CHROMIUM, SCHEMES, SIZES, show_as
from tests.support.person import Person
from tests.support.scenes import Scene

pytestmark = NEEDS_CHROMIUM

OWN_SCRIPTS = {"bypass_csp": True}  # axe is a script, and our pages let none in
ONLY_COLOURS = {"runOnly": ["color-contrast"]}  # the one rule that a colour scheme has a say in
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def judge(person: Person, shown: Mapping[str, Scene]) -> None:
    found = []
    for name, go in shown.items():
        show_as(person.page, "desktop", "light")
        go(person)
        found += [
            f"{name}, {size}, {scheme}: {problem}"
            for size in SIZES
            for scheme in SCHEMES
            for problem in problems(person, size, scheme)
        ]
    assert found == []


def problems(person: Person, size: str, scheme: str) -> list[str]:
    """Return what axe finds on the page as it is seen now, and whether it must be scrolled sideways."""
    show_as(person.page, size, scheme)
    options = ONLY_COLOURS if scheme == "dark" else DEFAULT_OPTIONS
    found = Axe().run(person.page, options=options).response["violations"]
    told = [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]
    wider = person.page.evaluate(WIDER)
    return told + ([f"{wider} pixels too wide"] if wider > 0 else [])


def test_pages_for_anybody(arrive: Arrive) -> None:
    judge(arrive(**OWN_SCRIPTS), scenes.ANONYMOUS)


def test_pages_of_somebody_new(arrive: Arrive) -> None:
    judge(arrive(**OWN_SCRIPTS).enter(), scenes.EMPTY)


@pytest.mark.parametrize("part", [0, 1])
def test_pages_of_somebody_with_connections_and_secrets(arrive: Arrive, control: Control, part: int) -> None:
    person = arrive(**OWN_SCRIPTS).enter()
    scenes.furnish(person, control)
    names = list(scenes.FURNISHED)[part::2]
    judge(person, {name: scenes.FURNISHED[name] for name in names})


def test_pages_with_long_names_and_many_rows(arrive: Arrive) -> None:
    person = arrive(**OWN_SCRIPTS)
    person.username = "م" * 60 + person.username[-4:]
    person.email = "long@example.com"
    scenes.crowd(person.enter(), readings=30)
    judge(person, scenes.CROWDED)
