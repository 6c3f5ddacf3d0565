"""An answer of HTTP/1.1 (RFC 9112), read from whatever gives its bytes: whole and bounded, or not at all.

httptools tells where what is; here it is what may come. The answer is the only one on its connection, so
nothing is left for the next.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

LARGEST = 1 << 20  # bytes of a body, after decompression
LARGEST_HEAD = 1 << 16
GZIP = 16 + zlib.MAX_WBITS


class Broken(Exception):
    """It is no HTTP, or ended before its end."""


class TooLarge(Exception):
    """It has more than anybody here wants to keep."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Names of headers are in small letters; of those that came more than once, the values are one list."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def read(receive: Callable[[], bytes]) -> Answer:
    """Return the answer that `receive` gives piece by piece, nothing at its end. Raises Broken, TooLarge."""
    reading = _Reading()
    while not reading.is_whole and (piece := receive()):
        reading.take(piece)
    if not reading.is_whole:
        reading.end()
    coding = reading.headers.get("content-encoding", "identity").lower()
    return Answer(reading.status, reading.headers, _decoded(bytes(reading.body), coding))


class _Reading:
    """What has come of an answer. What begins with `on_` the parser calls."""

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self._left = LARGEST + LARGEST_HEAD
        self._head = 0
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.is_whole = False  # what comes after it is not looked at

    def take(self, piece: bytes) -> None:
        try:
            self._parser.feed_data(piece)
        except (HttpParserError, HttpParserUpgrade):
            if not self.is_whole:
                raise Broken from None
        self._left -= len(piece)
        if self._left < 0 or self._head > LARGEST_HEAD or len(self.body) > LARGEST:
            raise TooLarge

    def end(self) -> None:
        """Take the end of the connection for that of the body, where nothing else tells it."""
        if self.status < 200 or not {"content-length", "transfer-encoding"}.isdisjoint(self.headers):
            raise Broken

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head += len(name) + len(value)
        if not self.is_whole:
            known, said = name.decode("latin-1").lower(), value.decode("latin-1").rstrip(" \t")
            self.headers[known] = f"{self.headers[known]}, {said}" if known in self.headers else said

    def on_headers_complete(self) -> None:
        if not self.is_whole:
            self.status = int(self._parser.get_status_code())

    def on_body(self, body: bytes) -> None:
        if not self.is_whole:
            self.body += body

    def on_message_complete(self) -> None:
        if self.status < 200:  # an interim one, before the answer itself
            self.headers.clear()
        else:
            self.is_whole = True


def _decoded(body: bytes, coding: str) -> bytes:
    """Undo the one coding that is asked for. Whoever sends several members in one body is not understood."""
    if coding == "identity" or not body:
        return body
    if coding not in ("gzip", "x-gzip"):
        raise Broken
    unpacking = zlib.decompressobj(GZIP)
    try:
        plain = unpacking.decompress(body, LARGEST + 1)
    except zlib.error:
        raise Broken from None
    if len(plain) > LARGEST:
        raise TooLarge
    if not unpacking.eof or unpacking.unused_data:
        raise Broken
    return plain
