"""An answer of HTTP/1.1 (RFC 9112), read from whatever gives its bytes: whole and bounded, or not at all.

It is the only one on its connection, so nothing is left for the next. Python's own reader makes an e-mail of
each head, and others put layers around that.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

LARGEST = 1 << 20  # bytes of a body, after decompression
LARGEST_HEAD = 1 << 16
GZIP = 16 + zlib.MAX_WBITS

_STATUS = re.compile(r"HTTP/1\.[01] ([1-5][0-9]{2})( [^\r\n]*)?")
_FIELD = re.compile(r"([^\s:]+):[ \t]*([^\r\n\0]*)")
_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(;.*)?")


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
    incoming = _Incoming(receive)
    status, headers = _head(incoming)
    while status < 200:  # an interim one, before the answer itself
        status, headers = _head(incoming)
    body = b"" if status in (204, 304) else _body(incoming, headers)
    return Answer(status, headers, _decoded(body, headers.get("content-encoding", "identity").lower()))


class _Incoming:
    """What has come and is not read yet."""

    def __init__(self, receive: Callable[[], bytes]) -> None:
        self._receive, self._held, self._left = receive, bytearray(), LARGEST + LARGEST_HEAD

    def until(self, end: bytes) -> bytes:
        """Return what comes before this end, and pass over it."""
        looked_at = 0
        while (at := self._held.find(end, looked_at)) < 0:
            looked_at = max(0, len(self._held) - len(end) + 1)
            if looked_at > LARGEST_HEAD:
                raise TooLarge
            self._more()
        found = self.exactly(at)
        del self._held[: len(end)]
        return found

    def exactly(self, count: int) -> bytes:
        while len(self._held) < count:
            self._more()
        found = bytes(self._held[:count])
        del self._held[:count]
        return found

    def rest(self) -> bytes:
        while self._has_more():
            pass
        return bytes(self._held)

    def _more(self) -> None:
        if not self._has_more():
            raise Broken

    def _has_more(self) -> bool:
        piece = self._receive()
        self._left -= len(piece)
        if self._left < 0:
            raise TooLarge
        self._held += piece
        return bool(piece)


def _head(incoming: _Incoming) -> tuple[int, dict[str, str]]:
    first, *lines = incoming.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
    status = _STATUS.fullmatch(first)
    if status is None:
        raise Broken
    headers: dict[str, str] = {}
    for line in lines:
        found = _FIELD.fullmatch(line)
        if found is None:
            raise Broken
        name, value = found[1].lower(), found[2].rstrip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return int(status[1]), headers


def _body(incoming: _Incoming, headers: Mapping[str, str]) -> bytes:
    """Return the body as it was sent (RFC 9112, section 6.3)."""
    if "transfer-encoding" in headers:
        if headers["transfer-encoding"].lower() != "chunked":
            raise Broken
        return _chunked(incoming)
    if "content-length" not in headers:
        return incoming.rest()
    if _LENGTH.fullmatch(headers["content-length"]) is None:
        raise Broken
    return incoming.exactly(int(headers["content-length"]))


def _chunked(incoming: _Incoming) -> bytes:
    body = bytearray()
    while size := _size(incoming):
        body += incoming.exactly(size)
        if incoming.exactly(2) != b"\r\n":
            raise Broken
    return bytes(body)


def _size(incoming: _Incoming) -> int:
    found = _CHUNK.fullmatch(incoming.until(b"\r\n"))
    if found is None:
        raise Broken
    return int(found[1], 16)


def _decoded(body: bytes, coding: str) -> bytes:
    """Undo the one coding that is asked for. Whoever sends several members in one body is not understood."""
    if coding == "identity" or not body:
        return _bounded(body)
    if coding not in ("gzip", "x-gzip"):
        raise Broken
    unpacking = zlib.decompressobj(GZIP)
    try:
        plain = _bounded(unpacking.decompress(body, LARGEST + 1))
    except zlib.error:
        raise Broken from None
    if not unpacking.eof or unpacking.unused_data:
        raise Broken
    return plain


def _bounded(body: bytes) -> bytes:
    if len(body) > LARGEST:
        raise TooLarge
    return body
