"""One table of failures: each word has a status of its own, a code of its own, and a line in the docs."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

from app.errors import LatchkeyError
from app.http import errors
from app.http.errors import STATUS

WORDS = LatchkeyError.__subclasses__()
DOCUMENT = Path(__file__).parents[2] / "docs" / "errors.md"


def test_every_word_has_one_status() -> None:
    assert set(STATUS) == set(WORDS)
    assert all(400 <= status <= 599 for status in STATUS.values())
    tree = ast.parse(inspect.getsource(errors))
    table = next(node.value for node in tree.body if isinstance(node, ast.AnnAssign))
    assert isinstance(table, ast.Dict) and len(table.keys) == len(STATUS)  # none stands twice


def test_codes_are_unique_stable_words() -> None:
    codes = [word.code for word in WORDS]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", code) for code in codes)


def test_no_word_hides_below_another() -> None:
    assert WORDS
    assert all(word.__subclasses__() == [] and word.__bases__ == (LatchkeyError,) for word in WORDS)


def test_the_document_prints_the_whole_table() -> None:
    rows = [
        tuple(cell.strip().strip("`") for cell in line.strip().strip("|").split("|"))
        for line in DOCUMENT.read_text("utf-8").splitlines()
        if re.match(r"\|\s*`?[a-z_]+`?\s*\|\s*[0-9]{3}\s*\|", line)
    ]
    assert len(set(rows)) == len(rows)
    documented = {code: (status, sentence) for code, status, sentence, _ in rows}
    assert documented == {word.code: (str(STATUS[word]), word.sentence) for word in WORDS}


def test_the_document_says_what_to_do() -> None:
    advice = re.findall(
        r"^\| `\w+` \| [0-9]{3} \| [^|]+ \| ([^|]*) \|$", DOCUMENT.read_text("utf-8"), re.MULTILINE
    )
    assert len(advice) == len(WORDS) and all(len(words) > 5 for words in advice)
