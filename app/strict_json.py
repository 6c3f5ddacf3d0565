"""JSON as RFC 8259 means it: one reading, no surprises. Used on what strangers send us.

The standard parser takes NaN, duplicate keys, 1e999, UTF-16 and lone surrogates, and runs out of stack
on deep nesting; each of these is refused here before anything else sees it.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

DEEPEST = 32

# An unterminated string reaches to the end, or else each of its quotes would be tried as a beginning.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


def loads(raw: bytes) -> Any:
    """Return the value that `raw` spells, or raise ValueError: not UTF-8, not JSON, or too deep."""
    _refuse_depth(raw)
    value = json.loads(
        raw.decode("utf-8"),
        parse_constant=_refuse_constant,
        parse_float=_finite,
        object_pairs_hook=_without_duplicates,
    )
    if b"\\u" in raw:  # nothing else spells a character that UTF-8 or the parser refuses
        _refuse_odd_text(value)
    return value


def _refuse_depth(raw: bytes) -> None:
    if raw.count(b"[") + raw.count(b"{") <= DEEPEST:
        return
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", raw)):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > DEEPEST:
            raise ValueError("nested too deeply")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError("not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("number out of range")
    return number


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("duplicate key")
    return fields


def _refuse_odd_text(value: Any) -> None:
    """NUL and lone surrogates cannot be stored by every database, so they are stored by none."""
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("NUL in text")
        value.encode("utf-8")  # a lone surrogate raises UnicodeEncodeError, a ValueError
    elif isinstance(value, dict):
        for key, item in value.items():
            _refuse_odd_text(key)
            _refuse_odd_text(item)
    elif isinstance(value, list):
        for item in value:
            _refuse_odd_text(item)
