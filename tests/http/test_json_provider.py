"""Answers are what the standard library would write, byte for byte, whatever is in them."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from flask import Flask, jsonify
from hypothesis import given, settings
from hypothesis import strategies as st

from app.http.json_provider import JsonProvider, part
from tests.support.service import User

AWKWARD: list[Any] = [
    {"z": 1, "a": [], "m": {}, "": None},
    "".join(map(chr, range(0x180))),
    "\u2028\u2029\ufeff\uffff<script>&'/\\\"",
    "Zoë 漢字 🔑 \U0010ffff",
    "\ud800 half a pair \udfff",
    {"\x7f": "\x7f", "é": "🔑"},
    [2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**400],
    [0.0, -0.0, 0.1, 1.0, 1e15, 1e16, 1e17, 1e-4, 1e-5, 1e-7, 5e-324, 1.7976931348623157e308, 123456.789e3],
    1e16,
    -1e-7,
    {"x": {"y": [1e16]}},
    {"host": "10.0.0.1", "version": "1e16", "port": 5432},
    [True, False, None, (1, (2,))],
    {1: "a", False: "b", None: "c", 2.5: "d"},
    "",
    None,
]
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # Whole surrogate pairs of two halves are no text of Python's; halves are.
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def app() -> Flask:
    app = Flask(__name__)
    app.json = JsonProvider(app)
    return app


def expected(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def written(app: Flask, document: Any) -> bytes:
    with app.app_context():
        answer = jsonify(document)
    assert answer.content_type == "application/json"
    return answer.get_data()


@pytest.mark.parametrize("document", AWKWARD, ids=ascii)
def test_awkward_values(app: Flask, document: Any) -> None:
    assert written(app, document) == expected(document)
    assert written(app, {"parts": [part(document)] * 2}) == expected({"parts": [document] * 2})


@given(anything)
@settings(deadline=None, max_examples=500)
def test_anything(document: Any) -> None:
    app = Flask(__name__)
    app.json = JsonProvider(app)
    assert written(app, document) == expected(document)
    assert written(app, [part(document), document]) == expected([document, document])


def test_a_part_is_written_for_people_too(app: Flask) -> None:
    app.debug = True
    try:
        assert written(app, [part({"x": 1})]) == json.dumps([{"x": 1}], indent=2).encode() + b"\n"
    finally:
        app.debug = False


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_null(app: Flask, number: float) -> None:
    assert written(app, {"x": number}) == b'{"x":null}\n'


def test_a_secret_comes_back_as_it_was_sent(user: User) -> None:
    data = {"text": "Zoë \x7f 🔑 \u2028", "numbers": [1e16, 1e-7, 2**70, 0.5], "deep": {"b": [], "a": None}}
    body = {"name": "n\x7fé", "type": "custom", "data": data}
    added = user.call("POST", "/api/users/:username/add/connection", json=body)
    assert added.status_code == 201, added.text
    read = user.call("GET", f"/api/users/:username/get/connection/{added.json()['id']}")
    shown = {"data": data, "name": body["name"], "type": "custom", "id": str(added.json()["id"])}
    assert read.json() == shown
    assert read.content == expected(shown)
