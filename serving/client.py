"""A client's socket and connection, as a thread that is not to keep others waiting uses them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gunicorn.workers import gthread  # type: ignore[import-untyped]

from .baton import Outside

WHOLE = 1 << 16  # bytes of an answer that are sent at once


class Client:
    """A client's socket: reads what is there, and sends an answer whole. Where it waits, others are served.

    It always blocks: what must not wait says so each time.
    """

    def __init__(self, sock: socket.socket, waiting: Callable[[], Outside]) -> None:
        self._sock, self._waiting = sock, waiting
        self._said: list[bytes] = []
        self._length = 0

    def __getattr__(self, name: str) -> Any:
        """Whatever else is done with it is done after what was said."""
        self.flush()
        return getattr(self._sock, name)

    def setblocking(self, _blocking: bool) -> None:
        """gunicorn would change it twice for each request."""

    def recv(self, size: int) -> bytes:
        with suppress(BlockingIOError):
            return self._sock.recv(size, socket.MSG_DONTWAIT)
        self.flush()  # it may wait for that before it goes on
        with self._waiting():
            return self._sock.recv(size)

    def has_left(self) -> bool:
        """Tell whether the client has closed its end."""
        try:
            return not self._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError as error:
            return not isinstance(error, BlockingIOError)

    def sendall(self, data: bytes) -> None:
        self._said.append(data)
        self._length += len(data)
        if self._length > WHOLE:
            self.flush()

    def flush(self) -> None:
        """Send what was said. Raises OSError where the client is gone."""
        if not self._said:
            return
        said = memoryview(b"".join(self._said))
        self._said.clear()
        self._length = 0
        with suppress(BlockingIOError):
            said = said[self._sock.send(said, socket.MSG_DONTWAIT) :]
        if said:
            with self._waiting():
                self._sock.sendall(said)


class Connection(gthread.TConn):  # type: ignore[misc]
    """A client's connection. `is_looked_for`: the poller tells when there is something to read."""

    def __init__(self, cfg: Any, sock: Any, client: Any, server: Any) -> None:
        super().__init__(cfg, sock, client, server)
        self.descriptor: int = sock.fileno()
        self.data_ready = True  # it is served when there is something
        self.is_looked_for = False
        self.set_timeout()

    @property
    def has_asked_more(self) -> bool:
        """Whether another request was read before the last one was answered."""
        return self.parser is not None and bool(self.parser.unreader.buf.getvalue())

    def flush(self) -> None:
        if isinstance(self.sock, Client):  # it is not where TLS ends here
            self.sock.flush()

    def has_left(self) -> bool:
        return isinstance(self.sock, Client) and self.sock.has_left()
