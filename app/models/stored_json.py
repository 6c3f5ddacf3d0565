"""JSON that is stored here, read by the quicker parser where that reads it, and by Python's own otherwise."""

from __future__ import annotations

import json
from typing import Any

from msgspec import DecodeError
from msgspec.json import decode


def loads(raw: str | bytes) -> Any:
    """Return what `json.loads` returns, or raise what it raises: msgspec takes a little less."""
    try:
        return decode(raw)
    except DecodeError:
        return json.loads(raw)


def loads_or_none(raw: str | bytes) -> Any:
    """Read it; SQLite keeps any text, and a spoiled one must not take the other rows along."""
    try:
        return loads(raw)
    except ValueError:
        return None
