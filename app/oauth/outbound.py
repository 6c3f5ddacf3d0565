"""The only HTTP client: total deadlines, no redirects, bounded bodies, no proxy, no log of a body.

A call runs in a thread of its own while its caller waits for the deadline: a timeout of the socket does
not end a slow drip, nor a name that does not resolve. At the deadline the call's sockets are shut.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextvars import ContextVar
from functools import cache
from ssl import CERT_REQUIRED, SSLContext
from typing import Any, TypeVar
from urllib.parse import urlsplit

from requests import PreparedRequest, RequestException, Response, Session, Timeout
from requests.adapters import HTTPAdapter
from requests.exceptions import SSLError
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util.ssl_ import create_urllib3_context

from .answers import Failure, ProviderFailure

Result = TypeVar("Result")

TOTAL = 10.0  # seconds, for all calls of one request together
CONNECT = 3.0
READ = 5.0
LARGEST = 1 << 20  # bytes, after decompression
CHUNK = 1 << 16
THREADS = 96  # at most, made when needed: all lanes of a worker at all providers, and its other calls
USER_AGENT = "Latchkey (self-hosted connections service)"

log = logging.getLogger(__name__)

for _name in ("requests_oauthlib", "oauthlib", "urllib3"):  # at DEBUG these log tokens and client secrets
    logging.getLogger(_name).setLevel(logging.WARNING)

_opened: ContextVar[list[socket.socket]] = ContextVar("opened")


class Deadline:
    """A moment after which nobody waits any more. `read` bounds the silence of one call, too."""

    def __init__(self, seconds: float = TOTAL, *, read: float = READ) -> None:
        self._ends = time.monotonic() + seconds
        self.read = read

    def remaining(self) -> float:
        return max(0.0, self._ends - time.monotonic())

    def at_most(self, seconds: float) -> Deadline:
        """Return the earlier one of this and so many seconds from now, the whole of it for one call."""
        seconds = min(seconds, self.remaining())
        return Deadline(seconds, read=seconds)


class Outbound:
    """Runs calls to providers, each within a deadline. Makes its threads on first use."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="outbound")

    def within(self, deadline: Deadline, call: Callable[[], Result]) -> Result:
        """Return what `call` returns; raise ProviderFailure(TIMED_OUT) when the deadline comes first."""
        sockets: list[socket.socket] = []

        def run() -> Result:
            _opened.set(sockets)
            return call()

        if not deadline.remaining():
            raise ProviderFailure(Failure.TIMED_OUT)
        future = self._threads.submit(run)
        try:
            return future.result(deadline.remaining())
        except FutureTimeout:
            future.cancel()
            for opened in sockets:
                _shut(opened)
            raise ProviderFailure(Failure.TIMED_OUT) from None
        except Timeout:
            raise ProviderFailure(Failure.TIMED_OUT) from None
        except SSLError:
            log.error("a provider's certificate is not good, or not for its name")
            raise ProviderFailure(Failure.UNAVAILABLE) from None
        except (RequestException, HTTPError, OSError):
            raise ProviderFailure(Failure.UNAVAILABLE) from None


def mount(session: Session, deadline: Deadline) -> None:
    """Make a requests session keep the rules of this module."""
    session.trust_env = False
    session.headers["User-Agent"] = USER_AGENT
    session.adapters.clear()
    adapter = _Adapter(deadline)
    session.mount("https://", adapter)
    session.mount("http://", adapter)  # config.py lets this be loopback only


class _Adapter(HTTPAdapter):
    """Sends one request and reads its whole answer, or fails."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        super().__init__(max_retries=0, pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """Leave out what would read the certificates anew for each connection: `trust` has."""

    def build_connection_pool_key_attributes(
        self, request: PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        at = urlsplit(request.url)
        trusted = {"ssl_context": trust()} if at.scheme == "https" else {}
        return {"scheme": at.scheme, "host": at.hostname, "port": at.port}, trusted

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        left = max(self._deadline.remaining(), 0.001)
        timeout = (min(CONNECT, left), min(self._deadline.read, left))
        response = super().send(request, stream=True, timeout=timeout, verify=True)
        try:
            if 300 <= response.status_code < 400:
                raise ProviderFailure(Failure.MALFORMED)
            response._content = self._read(response)
            response.encoding = "utf-8"  # as JSON is (RFC 8259, section 8.1), whatever the header says
        finally:
            response.close()
        return response

    def _read(self, response: Response) -> bytes:
        body = bytearray()
        while chunk := response.raw.read1(CHUNK, decode_content=True):
            body += chunk
            if len(body) > LARGEST:
                raise ProviderFailure(Failure.MALFORMED)
            if not self._deadline.remaining():
                raise ProviderFailure(Failure.TIMED_OUT)
        return bytes(body)


@cache
def trust() -> SSLContext:
    """Return what every connection verifies with. To read the authorities takes as long as ten renewals."""
    context = create_urllib3_context(cert_reqs=CERT_REQUIRED)
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    return context


class _Noted:
    """Notes the socket of a connection where the waiting caller finds it."""

    sock: socket.socket | None

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        if self.sock is not None:
            _opened.get().append(self.sock)


class _Connection(_Noted, HTTPConnection):
    pass


class _TlsConnection(_Noted, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def _shut(opened: socket.socket) -> None:
    try:
        opened.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it has ended by itself
