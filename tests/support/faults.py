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
IDLE = b"Z" + struct.pack("!i", 5) + b"I"  # ReadyForQuery outside of a transaction
NOTHING = b"Q" + struct.pack("!i", 5) + b"\0"  # an empty query
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
        self._idle = True
        self._writing: set[bytes] = set()  # the names of prepared statements that write
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
                self._next_answer, data = fault.answer(), NOTHING if self._idle else ROLLBACK
            self._far.sendall(data)

    def _commits(self, data: bytes) -> bool:
        """Tell whether this commits: by saying so, or since what stands alone and writes is a transaction."""
        if b"COMMIT" in data or not self._idle:
            return b"COMMIT" in data
        return any(self._writes(kind, body.split(b"\0")) for kind, body in _messages(data))

    def _writes(self, kind: bytes, words: list[bytes]) -> bool:
        """Tell whether a statement is run that writes. What is prepared has a name, perhaps an empty one."""
        if kind == b"P":
            (self._writing.add if _WRITES.search(words[1]) else self._writing.discard)(words[0])
        return kind == b"B" and words[1] in self._writing

    def _answer(self) -> None:
        while data := self._far.recv(CHUNK):
            self._idle = data.endswith(IDLE)
            self._proxy.flows.wait()
            if self._ends_at_next_answer:
                return
            data, self._next_answer = self._next_answer or data, b""
            while data and self._proxy.fault is Fault.DRIPPING:
                self._near.sendall(data[:1])
                data = data[1:]
                time.sleep(DRIP)
            self._near.sendall(data)


def _messages(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give the type and the body of each message (PostgreSQL's documentation, message formats)."""
    while len(data) > 4:
        length = struct.unpack_from("!i", data, 1)[0]
        yield data[:1], data[5 : 1 + length]
        data = data[1 + length :]


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
