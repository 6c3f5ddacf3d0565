"""A TCP proxy before a server, which does to what passes through it whatever it is told."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

CHUNK = 65536
DRIP = 0.5  # seconds between two bytes of an answer


class Fault(Enum):
    REFUSED = "refused"
    SILENT = "silent"  # takes everything, passes nothing on
    DRIPPING = "dripping"  # passes answers on, a byte at a time
    CUT = "cut before an answer"
    CUT_BEFORE_COMMIT = "cut before a commit arrives"
    CUT_AFTER_COMMIT = "cut before a commit is answered"


@dataclass(frozen=True)
class RefusedCommit:
    """PostgreSQL gives this error instead of a commit, and ends the transaction, as it does then."""

    sqlstate: str

    def answer(self) -> bytes:
        """Return ErrorResponse and ReadyForQuery (PostgreSQL's documentation, message formats)."""
        fields = f"SERROR\0VERROR\0C{self.sqlstate}\0Minjected\0\0".encode()
        return b"E" + struct.pack("!i", len(fields) + 4) + fields + b"Z" + struct.pack("!i", 5) + b"I"


_WRITES = re.compile(rb"INSERT INTO|UPDATE \w+ SET|DELETE FROM")
_PREPARED = re.compile(rb"_pg3_\d+")  # as psycopg names what it prepares

ROLLBACK = b"Q" + struct.pack("!i", 13) + b"ROLLBACK\0"


class Proxy:
    """Passes everything on, but while a fault lasts. `target` is (host, port), or the path of a socket."""

    def __init__(self, target: tuple[str, int] | str) -> None:
        self._target = target
        self.fault: Fault | RefusedCommit | None = None
        self.spare = 0
        self.flows = threading.Event()
        self.flows.set()
        self._links: list[_Link] = []
        self.port = 0
        self._listen()

    @contextlib.contextmanager
    def suffering(self, fault: Fault | RefusedCommit, *, spare: int = 0) -> Iterator[None]:
        """Let this happen to every connection, and then to none. So many commits pass before."""
        self.fault, self.spare = fault, spare
        if fault is Fault.REFUSED:
            self.close()
        if fault is Fault.SILENT:
            self.flows.clear()
        try:
            yield
        finally:
            self.fault = None
            self.flows.set()
            if fault is Fault.REFUSED:
                self._listen()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for link in self._links:
            link.cut()
        self._links.clear()

    def _listen(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listening.accept()
                try:
                    self._links.append(_Link(self, near, _connected(self._target)))
                except OSError:
                    near.close()


class _Link:
    """One connection through the proxy: two sockets, and a thread for each direction."""

    def __init__(self, proxy: Proxy, near: socket.socket, far: socket.socket) -> None:
        self._proxy, self._near, self._far = proxy, near, far
        self._ends_at_next_answer = False
        self._next_answer = b""
        self._begun = False  # a transaction, by its own word
        self._prepared: set[bytes] = set()  # what writes
        for pump in (self._ask, self._answer):
            threading.Thread(target=self._run, args=(pump,), daemon=True).start()

    def cut(self) -> None:
        for end in (self._near, self._far):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _run(self, pump: Callable[[], None]) -> None:
        with contextlib.suppress(OSError):
            pump()
        self.cut()

    def _ask(self) -> None:
        while data := self._near.recv(CHUNK):
            self._proxy.flows.wait()
            fault, commits = self._proxy.fault, self._commits(data)
            if commits and self._proxy.spare:
                self._proxy.spare -= 1
                commits = False
            if fault is Fault.CUT_BEFORE_COMMIT and commits:
                return
            self._ends_at_next_answer = fault is Fault.CUT or (fault is Fault.CUT_AFTER_COMMIT and commits)
            if isinstance(fault, RefusedCommit) and commits:
                self._next_answer, data = fault.answer(), ROLLBACK
            self._far.sendall(data)

    def _commits(self, data: bytes) -> bool:
        """Tell whether this commits: by its own word, or as a statement that writes and is alone."""
        names, writes = set(_PREPARED.findall(data)), _WRITES.search(data) is not None
        if writes:
            self._prepared |= names
        if b"COMMIT" in data or b"ROLLBACK" in data or b"BEGIN" in data:
            self._begun = b"BEGIN" in data
            return b"COMMIT" in data
        return not self._begun and (writes or bool(names & self._prepared))

    def _answer(self) -> None:
        while data := self._far.recv(CHUNK):
            self._proxy.flows.wait()
            if self._ends_at_next_answer:
                return
            data, self._next_answer = self._next_answer or data, b""
            while data and self._proxy.fault is Fault.DRIPPING:
                self._near.sendall(data[:1])
                data = data[1:]
                time.sleep(DRIP)
            self._near.sendall(data)


def _connected(target: tuple[str, int] | str) -> socket.socket:
    if isinstance(target, tuple):
        return socket.create_connection(target)
    found = socket.socket(socket.AF_UNIX)
    try:
        found.connect(target)
    except OSError:
        found.close()
        raise
    return found
