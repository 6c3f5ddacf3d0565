"""Our words for failure, as the document has them: one example and one response each, by status."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from app.connection_types import KNOWN_WORDS
from app.errors import InvalidBody, InvalidData, InvalidQuery, LatchkeyError

from ..errors import STATUS
from .table import OPERATORS

WORDS = tuple(word for word in STATUS if word not in OPERATORS)

# What the braces of a sentence may be filled with.
_FACTS = {
    "error": "access_denied",
    "known": ", ".join(KNOWN_WORDS),
    "path": "/api/connections/github",
    "reason": "the provider is not available",
    "scope": "read_secrets",
    "service": "GitHub",
}
_DETAILS = {
    InvalidBody: {"name": ["Missing data for required field."]},
    InvalidData: {"host": ["Is required."]},
    InvalidQuery: {"limit": ["Not a valid integer."]},
}
_RETRY_AFTER = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}
_HEADERS = {
    401: {"WWW-Authenticate": {"$ref": "#/components/headers/WWW-Authenticate"}},
    429: _RETRY_AFTER,
    503: _RETRY_AFTER,
}
HEADERS = {
    "Retry-After": {
        "description": "Seconds to wait.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {
        "description": "How to prove who is calling (RFC 6750).",
        "required": True,
        "schema": {"type": "string", "const": "Bearer"},
    },
}


def example(word: type[LatchkeyError]) -> dict[str, Any]:
    """Return the answer that this word is, as somebody may get it."""
    answer: dict[str, Any] = {"error": word.sentence.format(**_FACTS), "code": word.code}
    return {**answer, "details": _DETAILS[word]} if word in _DETAILS else answer


def examples() -> dict[str, Any]:
    return {word.code: {"summary": word.sentence, "value": example(word)} for word in WORDS}


def response(words: Iterable[type[LatchkeyError]]) -> dict[str, Any]:
    """Return the response of one status that says one of these words."""
    said = list(words)
    codes = [word.code for word in said]
    return {
        "description": " · ".join(word.sentence for word in said),
        "headers": _HEADERS.get(STATUS[said[0]], {}),
        "x-status": STATUS[said[0]],
        "content": {
            "application/json": {
                "schema": {
                    "allOf": [
                        {"$ref": "#/components/schemas/Error"},
                        {"properties": {"code": {"enum": codes}}},
                    ]
                },
                "examples": {code: {"$ref": f"#/components/examples/{code}"} for code in codes},
            }
        },
    }


def responses(said: Iterable[Iterable[type[LatchkeyError]]]) -> dict[str, Any]:
    """Return a response by name for each word, and for each set of words that some operation can say."""
    alone = {word.code: response([word]) for word in WORDS}
    return alone | {
        _name(words): response(words) for all_words in said for words in _split(all_words).values()
    }


def by_status(words: Iterable[type[LatchkeyError]]) -> dict[str, Any]:
    """Return the responses of an operation that can say these words."""
    return {
        str(status): {"$ref": f"#/components/responses/{_name(found)}"}
        for status, found in _split(words).items()
    }


def _split(words: Iterable[type[LatchkeyError]]) -> dict[int, list[type[LatchkeyError]]]:
    found: dict[int, list[type[LatchkeyError]]] = {}
    for word in sorted(words, key=WORDS.index):
        found.setdefault(STATUS[word], []).append(word)
    return found


def _name(words: Iterable[type[LatchkeyError]]) -> str:
    return ".".join(word.code for word in words)
