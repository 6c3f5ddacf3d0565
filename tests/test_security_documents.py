"""SECURITY.md and docs/asvs.md are whole, and name what is there."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from typing import NamedTuple

import click
import pytest

from app import create_app
from config import Config
from tests.support.databases import ROOT
from tests.support.settings import base_settings

DOCUMENTS = {name: (ROOT / name).read_text("utf-8") for name in ("SECURITY.md", "docs/asvs.md")}
STATES = ("met", "not applicable", "open")

# How many requirements of levels 1 and 2 the standard's chapters have; the last one is a single row here.
REQUIREMENTS = dict(enumerate((27, 11, 19, 10, 9, 35, 18, 7, 7, 29, 14, 9, 13, 9, 13, 16, 1), start=1))
OF_LEVEL_1 = 70


class Row(NamedTuple):
    id: tuple[int, ...]
    level: str
    what: str
    state: str
    proof: str


def rows_by_chapter() -> dict[int, list[Row]]:
    """Read every table that has a heading of its own; a line that is no row of five cells is an error."""
    chapters = re.split(r"^## ([0-9]+) .*\n", DOCUMENTS["docs/asvs.md"], flags=re.MULTILINE)[1:]
    return {
        int(number): [row_of(line) for line in text.splitlines() if re.match(r"\| *[0-9]", line)]
        for number, text in zip(chapters[::2], chapters[1::2], strict=True)
    }


def row_of(line: str) -> Row:
    id, *others = (cell.strip() for cell in line.strip("| ").split(" | "))
    return Row(tuple(int(number) for number in id.split(".")), *others)


CHAPTERS = rows_by_chapter()
ROWS = [row for rows in CHAPTERS.values() for row in rows]


def paths_in(text: str) -> set[str]:
    """Return what is quoted or linked and is a file's name: not a route, a setting or a media type."""
    quoted = re.findall(r"`([\w.-]+(?:/[\w.-]+)+|[\w.-]+\.(?:conf|md|py|toml|txt))`", text)
    return {*quoted, *re.findall(r"\]\(([^):]+)\)", text)}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_file_that_is_named_is_there(name: str) -> None:
    paths = paths_in(DOCUMENTS[name])
    assert len(paths) > 3
    assert not {path for path in paths if not (ROOT / path).exists()}


def test_every_setting_that_is_named_is_read() -> None:
    named = set(re.findall(r"`(?:P_)?([A-Z][A-Z_]{5,})(?:=[a-z]+)?`", "".join(DOCUMENTS.values())))
    source = (ROOT / "config.py").read_text("utf-8")
    assert len(named) > 10
    assert not {name for name in named if not re.search(rf'["_]{name}"', source)}


def test_every_command_that_is_named_is_there() -> None:
    app = create_app(Config.from_env({**base_settings(), "DATABASE_URL": "sqlite://"}))
    named = re.findall(r"`flask --app wsgi ([a-z -]+)`", DOCUMENTS["SECURITY.md"])
    assert len(named) > 3
    for words in named:
        command: click.Command = app.cli
        for word in words.split():
            assert isinstance(command, click.Group) and word in command.commands, words
            command = command.commands[word]


def test_ids_stand_once_in_order_and_in_their_chapter() -> None:
    assert all(one.id < other.id for one, other in pairwise(ROWS))
    assert all(row.id[0] == chapter for chapter, rows in CHAPTERS.items() for row in rows)


def test_no_requirement_is_left_out() -> None:
    assert {chapter: len(rows) for chapter, rows in CHAPTERS.items()} == REQUIREMENTS
    assert Counter(row.level for row in ROWS) == {"1": OF_LEVEL_1, "2": len(ROWS) - OF_LEVEL_1}


def test_every_row_has_a_state_and_what_is_met_its_proof() -> None:
    assert {row.state for row in ROWS} == set(STATES)
    assert all(row.what and row.proof for row in ROWS)
    assert not [row.id for row in ROWS if row.state == "met" and not paths_in(row.proof)]


def test_the_counts_at_the_top_are_those_of_the_rows() -> None:
    printed = re.findall(
        r"^\| ([0-9]+|all)\b.* \| ([0-9]+) \| ([0-9]+) \| ([0-9]+) \|$",
        DOCUMENTS["docs/asvs.md"],
        re.MULTILINE,
    )
    counted = {str(chapter): Counter(row.state for row in rows) for chapter, rows in CHAPTERS.items()}
    counted["all"] = Counter(row.state for row in ROWS)
    assert printed == [(name, *(str(count[state]) for state in STATES)) for name, count in counted.items()]
