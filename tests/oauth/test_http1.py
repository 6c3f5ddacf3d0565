"""Answers as servers send them: whole in every framing, refused where they are no HTTP or too much of it."""

from __future__ import annotations

import gzip
import socket
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from app.oauth.answers import Failure, ProviderFailure
from app.oauth.http1 import LARGEST, LARGEST_HEAD
from app.oauth.outbound import Deadline, ask

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
PACKED = gzip.compress(b"{}" * 9)


@contextmanager
def answering(*pieces: bytes, closes: bool = False) -> Iterator[tuple[str, list[bytes]]]:
    """A server of one request: give its URL, and what it is asked.

    Unless it closes, the connection stays open: what is whole must be known to be.
    """
    asked: list[bytes] = []

    def serve() -> None:
        with suppress(OSError), server.accept()[0] as connection:
            asked.append(connection.recv(1 << 16))
            for piece in pieces:
                connection.sendall(piece)
            if not closes:
                connection.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        finally:
            thread.join()


def with_length(body: bytes, head: bytes = b"") -> bytes:
    return OK + head + b"Content-Length: %d\r\n\r\n" % len(body) + body


WHOLE: dict[str, tuple[bytes, bytes]] = {
    "a length": (with_length(b"[1]"), b"[1]"),
    "nothing": (with_length(b""), b""),
    "more than its length": (with_length(b"[1]") + b"x", b"[1]"),
    "another answer behind it": (with_length(b"[1]") + with_length(b"[2]", b"X: y\r\n"), b"[1]"),
    "chunks": (CHUNKED + b"2\r\n[1\r\n1;of=us\r\n]\r\n0\r\n\r\n", b"[1]"),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "an interim answer": (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + with_length(b"[1]"), b"[1]"),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
    "gzip": (with_length(PACKED, b"Content-Encoding: GZIP\r\n"), b"{}" * 9),
    "as large as may be": (with_length(b" " * LARGEST), b" " * LARGEST),
}


@pytest.mark.parametrize("what", WHOLE)
def test_an_answer_is_whole_in_every_framing(what: str) -> None:
    raw, body = WHOLE[what]
    with answering(raw) as (url, _):
        assert ask("GET", url, Deadline()).body == body


@pytest.mark.parametrize("what", ["a length", "chunks", "an interim answer", "gzip"])
def test_an_answer_may_come_byte_by_byte(what: str) -> None:
    raw, body = WHOLE[what]
    with answering(*(bytes([byte]) for byte in raw)) as (url, _):
        assert ask("GET", url, Deadline()).body == body


def test_without_a_length_the_body_ends_with_the_connection() -> None:
    with answering(OK + b"\r\n[", b"1]", closes=True) as (url, _):
        assert ask("GET", url, Deadline()).body == b"[1]"


def test_headers_have_small_names_and_come_more_than_once() -> None:
    with answering(with_length(b"", b"X-One:1 \r\nx-ONE:\t2\r\n")) as (url, _):
        assert ask("GET", url, Deadline()).headers == {"x-one": "1, 2", "content-length": "0"}


BROKEN: dict[str, bytes] = {
    "silence": b"",
    "another protocol": b"SSH-2.0-OpenSSH\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "HTTP of long ago": b"<html></html>",
    "a head without end": OK + b"X: y\r\n",
    "a folded header": OK + b"X: y\r\n z\r\n\r\n",
    "a header without a value": OK + b"X\r\n\r\n",
    "a space before the colon": OK + b"Content-Length : 0\r\n\r\n",
    "a line feed alone": OK + b"X: y\nContent-Length: 0\r\n\r\n",
    "half of a body": OK + b"Content-Length: 9\r\n\r\n[1",
    "two lengths": OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "a negative length": OK + b"Content-Length: -1\r\n\r\n{}",
    "another coding of the transfer": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    "half of a chunk": CHUNKED + b"9\r\n[1",
    "no last chunk": CHUNKED + b"3\r\n[1]\r\n",
    "a chunk that is longer": CHUNKED + b"2\r\n[1]\r\n0\r\n\r\n",
    "a chunk of no size": CHUNKED + b"x\r\n[1]\r\n0\r\n\r\n",
    "an unknown coding": with_length(b"{}", b"Content-Encoding: br\r\n"),
    "no gzip": with_length(b"{}", b"Content-Encoding: gzip\r\n"),
    "half of a gzip": with_length(PACKED[:-9], b"Content-Encoding: gzip\r\n"),
    "two gzips": with_length(PACKED * 2, b"Content-Encoding: gzip\r\n"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_no_answer_counts_as_none(what: str) -> None:
    assert failure_of(BROKEN[what]) is Failure.UNAVAILABLE


MUCH: dict[str, bytes] = {
    "a head": OK + b"X: y\r\n" * LARGEST_HEAD,
    "a length": with_length(b" " * (LARGEST + 1)),
    "an endless length": OK + b"Content-Length: 999999999999\r\n\r\n" + b" " * (2 * LARGEST),
    "a chunk": CHUNKED + b"%x\r\n" % (2 * LARGEST) + b" " * (2 * LARGEST),
    "chunks": CHUNKED + b"1\r\nx\r\n" * (LARGEST + 1),
    "a chunk's extension": CHUNKED + b"1;" + b"x" * 2 * LARGEST,
    "no end": OK + b"\r\n" + b" " * (LARGEST + 1),
    "a bomb": with_length(gzip.compress(b" " * (LARGEST + 1)), b"Content-Encoding: gzip\r\n"),
    "bombs": with_length(gzip.compress(b" " * LARGEST) * 1024, b"Content-Encoding: gzip\r\n"),
    "a large bomb": with_length(
        zlib.compress(b" " * (512 * LARGEST), wbits=31), b"Content-Encoding: gzip\r\n"
    ),
}


@pytest.mark.parametrize("what", MUCH)
def test_what_is_too_much_is_not_kept(what: str) -> None:
    assert failure_of(MUCH[what]) is Failure.MALFORMED


def failure_of(raw: bytes) -> Failure:
    with answering(raw, closes=True) as (url, _), pytest.raises(ProviderFailure) as failure:
        ask("GET", url, Deadline())
    return failure.value.kind


def test_what_a_url_may_not_have_is_quoted() -> None:
    with answering(with_length(b"")) as (url, asked):
        ask("GET", f'{url}?a=%20"<&b=|', Deadline(), query="c=d")
    assert asked[0].startswith(b"GET /?a=%20%22%3C&b=%7C&c=d HTTP/1.1\r\n")
    assert f"\r\nHost: {url.removeprefix('http://')}\r\n".encode() in asked[0]


@pytest.mark.parametrize("value", ["a\r\nX-Other: b", "a\nb", "a\x00b", "schl\u00fcssel"], ids=ascii)
def test_a_header_cannot_become_two(value: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        with pytest.raises(ValueError, match="no header can carry"):
            ask("GET", f"http://127.0.0.1:{server.getsockname()[1]}", Deadline(), headers={"X": value})
        with pytest.raises(TimeoutError):
            server.accept()
