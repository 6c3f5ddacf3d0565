"""Stored JSON is read as Python's own parser reads it, whichever has read it."""

from __future__ import annotations

import json
import random
import struct
from typing import Any

import pytest

from app.models.stored_json import loads, loads_or_none

ODD = [
    "1e400",
    "-0.0",
    str(10**30),
    str(-(10**30)),
    str(2**64),
    "1.0",
    "1E5",
    "1e-400",
    "NaN",
    "[Infinity, -Infinity]",
    r'"\ud800"',
    r'"\ud83d\ude00"',
    '"\x7f"',
    '"🔑"',
    '{"a": 1, "a": {"b": [true, false, null, ""]}}',
    " [ ] ",
]
SPOILED = ["", "[1, 2", '"\x01"', "{'a': 1}", "nul", "[1] 2", '"' + "x" * 100]


@pytest.mark.parametrize("text", ODD)
def test_a_value_is_what_the_usual_parser_makes_of_it(text: str) -> None:
    for raw in (text, text.encode()):
        assert repr(loads(raw)) == repr(json.loads(text)) == repr(loads_or_none(raw))


def test_numbers_are_the_same_to_the_last_bit() -> None:
    chance = random.Random(1)
    doubles = [number for _ in range(20_000) if (number := of_bits(chance.getrandbits(64))) == number]
    text = json.dumps([number for number in doubles if abs(number) != float("inf")])
    assert loads(text) == json.loads(text)


def of_bits(bits: int) -> Any:
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


@pytest.mark.parametrize("text", SPOILED)
def test_what_is_spoiled_is_a_value_error_or_none(text: str) -> None:
    assert loads_or_none(text) is None
    with pytest.raises(json.JSONDecodeError):
        loads(text)
