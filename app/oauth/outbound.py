"""The only HTTP client: total deadlines, no redirects, bounded bodies, no proxy, no log of a body.

Each wait of a socket is for what is left until the deadline, and no longer: a timeout that stays the same
does not end a slow drip. Nothing ends the look-up of a name, so that is left to a thread.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import cache
from http.client import HTTPException
from ssl import CERT_REQUIRED, SSLContext, SSLError, SSLSocket
from typing import Any
from urllib.parse import urlsplit

from requests import PreparedRequest, Request, Response
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH, default_headers
from urllib3 import BaseHTTPResponse
from urllib3.connection import HTTPConnection, port_by_scheme
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as ReadTimeout
from urllib3.util.ssl_ import create_urllib3_context

from app.waiting import waiting

from .answers import Failure, ProviderFailure

TOTAL = 10.0  # seconds, for all calls of one request together
CONNECT = 3.0
READ = 5.0
LARGEST = 1 << 20  # bytes, after decompression
CHUNK = 1 << 16
LOOKUPS = 96  # threads at most, made when needed: all lanes of a worker at all providers, and its other calls
HEADERS = {**default_headers(), "User-Agent": "Latchkey (self-hosted connections service)"}

log = logging.getLogger(__name__)

for _name in ("requests_oauthlib", "oauthlib", "urllib3"):  # at DEBUG these log tokens and client secrets
    logging.getLogger(_name).setLevel(logging.WARNING)

_lookups = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="lookup")


class Deadline:
    """A moment after which nobody waits any more. `read` bounds the silence of one call, too."""

    def __init__(self, seconds: float = TOTAL, *, read: float = READ) -> None:
        self._ends = time.monotonic() + seconds
        self.read = read

    def remaining(self) -> float:
        return max(0.0, self._ends - time.monotonic())

    def patience(self, most: float) -> float:
        """Return how many seconds may be waited now, so many at most. Raises TimeoutError when it is over."""
        if not (left := self.remaining()):
            raise TimeoutError
        return min(most, left)

    def at_most(self, seconds: float) -> Deadline:
        """Return the earlier one of this and so many seconds from now, the whole of it for one call."""
        seconds = min(seconds, self.remaining())
        return Deadline(seconds, read=seconds)


def ask(request: Request, deadline: Deadline) -> Response:
    """Send a request by itself, and return the whole answer, or raise ProviderFailure."""
    request.headers = {**HEADERS, **request.headers}
    prepared = request.prepare()
    at = urlsplit(str(prepared.url))
    connection = _CONNECTIONS[at.scheme](str(at.hostname), at.port, deadline)
    with _failing_in_our_words(), waiting.long(), closing(connection):
        connection.request(
            str(prepared.method),
            prepared.path_url,
            body=prepared.body,
            headers=prepared.headers,
            preload_content=False,
        )
        with closing(connection.getresponse()) as answer:
            return _whole(prepared, answer, deadline)


def _whole(request: PreparedRequest, answer: BaseHTTPResponse, deadline: Deadline) -> Response:
    if 300 <= answer.status < 400:
        raise ProviderFailure(Failure.MALFORMED)
    response = Response()
    response.request, response.url = request, str(request.url)
    response.status_code, response.headers = answer.status, CaseInsensitiveDict(answer.headers)
    response._content = _read(answer, deadline)
    response.encoding = "utf-8"  # as JSON is (RFC 8259, section 8.1), whatever the header says
    return response


def _read(answer: BaseHTTPResponse, deadline: Deadline) -> bytes:
    body = bytearray()
    while chunk := answer.read1(CHUNK, decode_content=True):
        body += chunk
        if len(body) > LARGEST:
            raise ProviderFailure(Failure.MALFORMED)
        deadline.patience(READ)
    return bytes(body)


@contextmanager
def _failing_in_our_words() -> Iterator[None]:
    try:
        yield
    except (TimeoutError, ReadTimeout):
        raise ProviderFailure(Failure.TIMED_OUT) from None
    except SSLError:
        log.error("a provider's certificate is not good, or not for its name")
        raise ProviderFailure(Failure.UNAVAILABLE) from None
    except (HTTPError, HTTPException, OSError):
        raise ProviderFailure(Failure.UNAVAILABLE) from None


class _Bounded:
    """A socket that waits no longer than its deadline lets it."""

    deadline: Deadline

    def send(self, *args: Any) -> int:
        self._look_at_the_clock()
        return super().send(*args)  # type: ignore[misc,no-any-return]

    def sendall(self, *args: Any) -> None:
        self._look_at_the_clock()
        super().sendall(*args)  # type: ignore[misc]

    def recv_into(self, *args: Any) -> int:
        self._look_at_the_clock()
        return super().recv_into(*args)  # type: ignore[misc,no-any-return]

    def _look_at_the_clock(self) -> None:
        self.settimeout(self.deadline.patience(self.deadline.read))  # type: ignore[attr-defined]


class _Socket(_Bounded, socket.socket):
    pass


class _TlsSocket(_Bounded, SSLSocket):
    pass


class _Connection(HTTPConnection):
    """urllib3's, which undoes what an answer is compressed with, and has no pool here."""

    def __init__(self, host: str, port: int | None, deadline: Deadline) -> None:
        super().__init__(host, port)
        self._deadline = deadline

    def connect(self) -> None:
        self.sock = self._connected()

    def _connected(self) -> _Socket:
        """Return a socket to the first address of this host that answers."""
        failure: OSError | None = None
        for address in _addresses(self.host, self.port, self._deadline):
            patience = self._deadline.patience(CONNECT)
            try:
                return self._reached(*address, patience=patience)
            except OSError as error:
                failure = error
        raise failure or OSError("the name has no address")

    def _reached(
        self, family: int, kind: int, protocol: int, _: str, address: Any, *, patience: float
    ) -> _Socket:
        reached = _Socket(family, kind, protocol)
        try:
            reached.deadline = self._deadline
            reached.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reached.settimeout(patience)
            reached.connect(address)
        except OSError:
            reached.close()
            raise
        return reached


class _TlsConnection(_Connection):
    default_port = port_by_scheme["https"]  # type: ignore[misc]

    def connect(self) -> None:
        plain = self._connected()
        try:
            plain.settimeout(self._deadline.patience(CONNECT))  # of the whole handshake
            secure = trust().wrap_socket(plain, server_hostname=self.host)
        except OSError:
            plain.close()
            raise
        secure.deadline = self._deadline  # type: ignore[attr-defined]
        self.sock = secure


_CONNECTIONS = {"http": _Connection, "https": _TlsConnection}  # config.py lets http be loopback only


def _addresses(host: str, port: int, deadline: Deadline) -> list[tuple[Any, ...]]:
    """Return where a host is reached: what `getaddrinfo` says, in a thread if it has to ask anybody."""
    kind = socket.SOCK_STREAM
    try:
        return socket.getaddrinfo(host, port, type=kind, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        found = _lookups.submit(socket.getaddrinfo, host, port, type=kind)
        return found.result(deadline.patience(CONNECT))


@cache
def trust() -> SSLContext:
    """Return what every connection verifies with. To read the authorities takes as long as ten renewals."""
    context = create_urllib3_context(cert_reqs=CERT_REQUIRED)
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    context.set_alpn_protocols(["http/1.1"])
    context.sslsocket_class = _TlsSocket
    return context
