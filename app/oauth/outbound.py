"""The only HTTP client: total deadlines, no redirects, bounded bodies, no proxy, no log of a body.

Each wait of a socket is for what is left until the deadline, and no longer: a timeout that stays the same
does not end a slow drip. Nothing ends the look-up of a name, so that is left to a thread.
"""

from __future__ import annotations

import logging
import re
import socket
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import cache, lru_cache
from ssl import PROTOCOL_TLS_CLIENT, SSLContext, SSLError, TLSVersion
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from app.waiting import waiting

from . import http1
from .answers import Failure, ProviderFailure
from .http1 import Answer

TOTAL = 10.0  # seconds, for all calls of one request together
CONNECT = 3.0
READ = 5.0
CHUNK = 1 << 16
LOOKUPS = 96  # threads at most, made when needed: all lanes of a worker at all providers, and its other calls
PORTS = {"http": 80, "https": 443}  # config.py lets http be loopback only
HEADERS = (
    "User-Agent: Latchkey (self-hosted connections service)",
    "Accept-Encoding: gzip",
    "Connection: close",
)
NONE: Mapping[str, str] = MappingProxyType({})

log = logging.getLogger(__name__)

for _name in ("requests_oauthlib", "oauthlib"):  # at DEBUG these log tokens and client secrets
    logging.getLogger(_name).setLevel(logging.WARNING)

_lookups = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="lookup")
_LINE = re.compile(r"[\x20-\x7e]+")
_UNQUOTED = "!$%&'()*+,/:;=?@[]~"  # in the path and query of a URL that is set: all but what no URL has

Address = tuple[Any, ...]  # what `getaddrinfo` says of one


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


def ask(
    method: str,
    url: str,
    deadline: Deadline,
    *,
    query: str = "",
    headers: Mapping[str, str] = NONE,
    body: bytes = b"",
) -> Answer:
    """Send a request by itself, and return the whole answer, or raise ProviderFailure."""
    target = _target(url)
    request = _written(method, target, query, headers, body)
    try:
        with waiting.long(), closing(_connected(target, deadline)) as connection:
            _send(connection, request, deadline)
            return _read(connection, deadline)
    except (http1.Broken, http1.TooLarge, OSError) as error:
        raise ProviderFailure(_failure(error)) from None


def _failure(error: Exception) -> Failure:
    if isinstance(error, TimeoutError):
        return Failure.TIMED_OUT
    if isinstance(error, http1.TooLarge):
        return Failure.MALFORMED
    if isinstance(error, SSLError):
        log.error("a provider's certificate is not good, or not for its name")
    return Failure.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a URL leads. `addresses` are those of a host that is a number: a name is looked up each time."""

    over_tls: bool
    host: str
    port: int
    addresses: Sequence[Address]
    path: str
    always: Sequence[str]  # lines of the head of every request there


@lru_cache(maxsize=128)
def _target(url: str) -> _Target:
    parts = urlsplit(url)
    host, usual = str(parts.hostname), PORTS[parts.scheme]
    port = parts.port or usual
    named = f"[{host}]" if ":" in host else host
    return _Target(
        over_tls=parts.scheme == "https",
        host=host,
        port=port,
        addresses=_numbered(host, port),
        path=quote((parts.path or "/") + (parts.query and f"?{parts.query}"), safe=_UNQUOTED),
        always=(f"Host: {named}" if port == usual else f"Host: {named}:{port}", *HEADERS),
    )


def _numbered(host: str, port: int) -> Sequence[Address]:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return ()


def _written(method: str, target: _Target, query: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return a request as it is sent. Raises ValueError for what would end a line of its head."""
    path = target.path if not query else f"{target.path}{'&' if '?' in target.path else '?'}{query}"
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if not all(map(_LINE.fullmatch, lines)):
        raise ValueError("a header has what no header can carry")
    if method != "GET":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, *target.always, "", ""]).encode("ascii") + body


def _send(connection: socket.socket, request: bytes, deadline: Deadline) -> None:
    rest = memoryview(request)
    while rest:
        connection.settimeout(deadline.patience(deadline.read))
        rest = rest[connection.send(rest) :]


def _read(connection: socket.socket, deadline: Deadline) -> Answer:
    def receive() -> bytes:
        connection.settimeout(deadline.patience(deadline.read))
        return connection.recv(CHUNK)

    return http1.read(receive)


def _connected(target: _Target, deadline: Deadline) -> socket.socket:
    """Return a connection to the first address of this host that answers."""
    failure: OSError | None = None
    for address in target.addresses or _looked_up(target, deadline):
        patience = deadline.patience(CONNECT)
        try:
            reached = _reached(*address, patience=patience)
        except OSError as error:
            failure = error
        else:
            return _secured(reached, target.host, deadline) if target.over_tls else reached
    raise failure or OSError("the name has no address")


def _looked_up(target: _Target, deadline: Deadline) -> Sequence[Address]:
    found = _lookups.submit(socket.getaddrinfo, target.host, target.port, type=socket.SOCK_STREAM)
    return found.result(deadline.patience(CONNECT))


def _reached(
    family: int, kind: int, protocol: int, _: str, address: Any, *, patience: float
) -> socket.socket:
    reached = socket.socket(family, kind, protocol)
    try:
        reached.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reached.settimeout(patience)
        reached.connect(address)
    except OSError:
        reached.close()
        raise
    return reached


def _secured(plain: socket.socket, host: str, deadline: Deadline) -> socket.socket:
    try:
        plain.settimeout(deadline.patience(CONNECT))  # of the whole handshake
        return trust().wrap_socket(plain, server_hostname=host)
    except OSError:
        plain.close()
        raise


@cache
def trust() -> SSLContext:
    """Return what every connection verifies with. To read the authorities takes as long as ten renewals."""
    context = SSLContext(PROTOCOL_TLS_CLIENT)  # which asks for a certificate, and that it is for the name
    context.minimum_version = TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    context.set_alpn_protocols(["http/1.1"])
    return context
