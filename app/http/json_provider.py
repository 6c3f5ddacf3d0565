"""JSON as answers carry it: on one line, in ASCII, in the order of the schema. Written by msgspec.

msgspec is a few times as fast as the standard library, whose bytes these are: what the two write differently
is written by the library. NaN, which is no JSON, is written as null.
"""

from __future__ import annotations

import json
import re
from typing import Any, cast

from flask import Response
from flask.json.provider import DefaultJSONProvider
from msgspec import Raw
from msgspec.json import Encoder

from .headers import Ready

_write = Encoder().encode
_NUMBER = re.compile(rb"(?:\A|[:,\[])-?[0-9]+[.e]")
_DIGITS_AS_0 = bytes.maketrans(b"123456789", b"000000000")
_DELETE = b"\x7f"  # escaped here, and not there


class JsonProvider(DefaultJSONProvider):
    """Flask's own for all but answers. There, dates are texts already: the schemas spell them."""

    sort_keys = False

    @staticmethod
    def default(value: Any) -> Any:
        """Return what the standard library can write in the place of a value that it cannot."""
        return json.loads(bytes(value)) if isinstance(value, Raw) else DefaultJSONProvider.default(value)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        document = self._prepare_response_obj(args, kwargs)
        raw = None if self._app.debug else _written(document)
        if raw is None:
            return cast(Response, super().response(document))
        return Ready(raw + b"\n", ("Content-Type", self.mimetype))


def part(document: Any) -> Raw:
    """Return a part of answers, written already: it stands in each as if it were written there."""
    raw = _written(document)
    return Raw(json.dumps(document, separators=(",", ":")).encode("ascii") if raw is None else raw)


def _written(document: Any) -> bytes | None:
    """Return the bytes of a document; None where the standard library would or might write others."""
    try:
        raw = _write(document)
    except (TypeError, ValueError):  # a key that is no text, half a surrogate pair
        return None
    return raw if raw.isascii() and _DELETE not in raw and not _may_hold_odd_floats(raw) else None


def _may_hold_odd_floats(raw: bytes) -> bool:
    """Tell whether there may be a number such as 1e16 or 0.00001; the library writes 1e+16 and 1e-05.

    What the pattern would find is looked for in a quicker way first.
    """
    is_likely = b"0.0000" in raw or b"0e" in raw.translate(_DIGITS_AS_0)
    return is_likely and _NUMBER.search(raw) is not None
