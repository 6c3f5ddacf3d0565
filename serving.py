"""gunicorn's worker of threads, with two things more.

Of several workers the one that has least to do takes a new connection: by chance one would have all of them,
and its clients would wait while the others idle. And a thread stays with the client it has answered for a
moment: to give the connection back and be given it again is a lock, a pipe and two other threads that wake.
"""

from __future__ import annotations

import errno
import mmap
import select
import selectors
import time
from concurrent.futures import Future
from functools import partial
from math import inf
from typing import Any

from gunicorn.workers import gthread  # type: ignore[import-untyped]

LINGER = 0.002  # seconds that a thread waits for a request: of a new client, or of the one it has answered
PAUSE = 0.0005  # seconds that a worker with more to do leaves a new connection to the others
PAUSES = 100  # of those in a row, then it takes the connection: the others may be too busy to come
LONGER = 500  # pauses of one whose threads are all taken: whoever comes would wait for one of them
STALE = 2.5  # seconds after which a worker is taken for frozen: each tells of itself every second
SLOTS = 64  # workers of one gunicorn; with more of them two share a slot, and are taken for one
FULL = 1e6  # what taken threads weigh: more than any number of connections


class Table:
    """What each worker has to do, in memory that all of them share: how much, and when it last said so."""

    def __init__(self) -> None:
        self._numbers = memoryview(mmap.mmap(-1, SLOTS * 2 * 8)).cast("d")

    def tell(self, slot: int, load: float) -> None:
        self._numbers[2 * slot] = load

    def live(self, slot: int, now: float) -> None:
        """Say when this was: by the clock that all processes share, or 0 for a worker that takes no more."""
        self._numbers[2 * slot + 1] = now

    def least(self, slot: int, now: float) -> float:
        """Return the least load that another one has; infinity where there is no other."""
        numbers = self._numbers.tolist()
        others = zip(range(SLOTS), numbers[::2], numbers[1::2], strict=True)
        return min((load for at, load, told in others if at != slot and told > now - STALE), default=inf)


TABLE = Table()  # made before the workers are forked; a reload of the settings does not make another


class Worker(gthread.ThreadWorker):  # type: ignore[misc]
    """Threads: a slow provider holds one of them, not a process. It ends when its listener is shut."""

    def __init__(self, age: int, *rest: Any, **named: Any) -> None:
        self._slot, self._left, self._open, self._in_hand = age % SLOTS, 0, 0, 0
        self._lingering = set[Any]()
        super().__init__(age, *rest, **named)

    @property
    def nr_conns(self) -> int:
        """The name is gunicorn's, which counts its open connections here."""
        return self._open

    @nr_conns.setter
    def nr_conns(self, many: int) -> None:
        self._open = many
        self._tell()

    def enqueue_req(self, conn: Any) -> None:
        self._in_hand += 1
        self._tell()
        super().enqueue_req(conn)

    def finish_request(self, conn: Any, done: Future[Any]) -> None:
        self._in_hand -= 1
        if self.alive or not has_said_nothing(done):
            super().finish_request(conn, done)
        else:
            self._wait_for_last_words(conn)
        self._tell()

    def _wait_for_last_words(self, conn: Any) -> None:
        """Let a new client ask although this worker stops: gunicorn would close, and the request be lost."""
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + gthread.STOP_KEEPALIVE_LINGER
        self.pending_conns.append(conn)
        readable = partial(self.on_pending_socket_readable, conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, readable)

    def _cap_keepalive(self, deadline: float) -> None:
        """Wait no longer for a client that has not asked yet than for one that may ask again."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    def notify(self) -> None:
        super().notify()
        TABLE.live(self._slot, time.monotonic() if self.alive else 0)

    def forget(self) -> None:
        """Expect nothing of it any more; called in gunicorn's own process."""
        TABLE.live(self._slot, 0)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        left = self._left
        super().wait_for_and_dispatch_events(timeout)
        if left == self._left:
            self._left = 0  # nobody is waiting to be taken any more

    def accept(self, listener: Any) -> None:
        pauses = LONGER if self._is_full else PAUSES
        if self._left < pauses and self._load > TABLE.least(self._slot, time.monotonic()):
            self._left += 1
            time.sleep(PAUSE)
            return
        self._left = 0
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            self.alive = False

    def handle(self, conn: Any) -> Any:
        """Answer a client, and go on with it while it asks at once and nobody else waits for a thread.

        Left to gunicorn, a client that says nothing would hold a thread for five seconds, and one that does
        not close its end the main thread for two.
        """
        if not conn.initialized and not conn.wait_for_data(LINGER):
            return gthread._DEFER
        while (stays := super().handle(conn)) is True and self._asks_again(conn):
            pass
        if not stays:
            conn.close(graceful=True)
            conn.close = nothing_to_close
        return stays

    def _asks_again(self, conn: Any) -> bool:
        if not self.alive or self._in_hand > self.cfg.threads:
            return False
        if conn.parser.unreader.buf.getvalue():  # it asked before it was answered
            return True
        self._lingering.add(conn)
        self._tell()
        poll = select.poll()
        poll.register(conn.sock, select.POLLIN)
        asks = poll.poll(LINGER * 1000)
        self._lingering.discard(conn)
        return bool(asks)

    @property
    def _is_full(self) -> bool:
        return bool(self._in_hand - len(self._lingering) >= self.cfg.threads)

    @property
    def _load(self) -> float:
        return self._open + (FULL if self._is_full else 0)

    def _tell(self) -> None:
        TABLE.tell(self._slot, self._load)


def has_said_nothing(done: Future[Any]) -> bool:
    return not done.cancelled() and done.exception() is None and done.result() is gthread._DEFER


def nothing_to_close(*, graceful: bool = False) -> None:
    """Stand where a connection's close was."""
