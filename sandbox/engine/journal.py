"""The request log: what clients really sent, so that a test can assert it."""

import time
from collections import deque
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any

from flask import request
from werkzeug.datastructures import MultiDict

LONGEST = 20_000


@dataclass
class Entry:
    """``status`` stays None until the answer is there; 444 means that the connection was cut on purpose."""

    n: int
    at: float
    provider: str
    endpoint: str
    method: str
    path: str
    query: dict[str, str | list[str]]
    headers: dict[str, str]
    form: dict[str, str | list[str]]
    json: Any
    status: int | None = None


def current_request(provider: str, endpoint: str) -> Entry:
    """Reads the whole body, so call it without the lock: the client may be slow."""
    return Entry(
        0,
        time.time(),
        provider,
        endpoint,
        request.method,
        request.path,
        plain(request.args),
        dict(request.headers),
        plain(request.form),
        request.get_json(silent=True),
    )


class Journal:
    """Only touched while the world's lock is held."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=LONGEST)
        self._last = 0

    def add(self, entry: Entry) -> None:
        self._last += 1
        entry.n = self._last
        self._entries.append(entry)

    def since(self, n: int, provider: str | None, last: int = LONGEST) -> list[dict[str, Any]]:
        """What came after entry ``n``, or the ``last`` of it: the entries' own fields, to read only."""
        newer = takewhile(lambda entry: entry.n > n, reversed(self._entries))
        chosen = islice((entry for entry in newer if provider in (None, entry.provider)), last)
        return [vars(entry) for entry in chosen][::-1]

    def clear(self) -> None:
        self._entries.clear()


def plain(values: MultiDict[str, str]) -> dict[str, str | list[str]]:
    """A field that came once is a string; one that was repeated is a list."""
    return {name: each[0] if len(each) == 1 else each for name, each in values.lists()}
