"""gunicorn's worker of threads, as leader and followers (Schmidt et al., POSA 2, "Leader/Followers").

One thread of a worker leads: it looks for what clients ask, and answers it itself. To hand each request to
another thread and back is a queue, a pipe and the interpreter's lock, and costs more than many an answer. Who
is about to wait long, or has taken long, leads no more, and a follower goes on: a slow provider holds one
thread, and no other client.

Of several workers the one that has least to do takes a new connection: by chance one would have all of them,
and its clients would wait while the others idle.
"""

from __future__ import annotations

import errno
import mmap
import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from math import inf
from threading import Lock, get_ident
from typing import Any

from gunicorn.workers import gthread  # type: ignore[import-untyped]

LONG = 0.01  # seconds after which a request that still runs leads no more
LOOK = 0.02  # seconds after which it is looked for one
WHOLE = 1 << 16  # bytes of an answer that are sent at once
PAUSE = 0.0005  # seconds that a worker with more to do leaves a new connection to the others
PATIENCE = 0.05  # seconds after which it takes the connection: the others may be too busy to come
BEAT = 1.0  # seconds from one sign of life to the next
STALE = 2.5  # seconds after which a worker that gives none is taken for frozen
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


class Lead:
    """Which of some threads leads. The follower that came last goes on first: its memory is still at hand."""

    def __init__(self) -> None:
        self.mutex = Lock()  # held by whoever asks whether it still leads and acts on it
        self._leader: int | None = None
        self._followers: list[tuple[int, Lock]] = []
        self._ended = False

    @property
    def is_vacant(self) -> bool:
        """Whether nobody leads: all threads are busy."""
        return self._leader is None

    def is_mine(self) -> bool:
        return self._leader == get_ident()

    def wait(self) -> bool:
        """Return when this thread leads; False when none is to any more."""
        turn = Lock()
        turn.acquire()
        with self.mutex:
            self._followers.append((get_ident(), turn))
            if self._leader is None:
                self.pass_on()
        turn.acquire()
        return not self._ended

    def pass_on(self) -> None:
        """Let a follower lead, if there is one, or whoever is free first. The mutex is held."""
        self._leader = None
        if self._followers:
            self._leader, turn = self._followers.pop()
            turn.release()

    def end(self) -> None:
        """Let nobody lead any more."""
        with self.mutex:
            self._ended = True
            for _, turn in self._followers:
                turn.release()
            self._leader = None


class Client:
    """A client's socket: reads what is there, and sends an answer whole. Before it waits, it says so.

    It always blocks: what must not wait says so each time.
    """

    def __init__(self, sock: socket.socket, waits: Callable[[], None]) -> None:
        self._sock, self._waits = sock, waits
        self._said: list[bytes] = []
        self._length = 0

    def __getattr__(self, name: str) -> Any:
        """Whatever else is done with it is done after what was said."""
        self.flush()
        return getattr(self._sock, name)

    def setblocking(self, _blocking: bool) -> None:
        """gunicorn would change it twice for each request."""

    def recv(self, size: int) -> bytes:
        try:
            return self._sock.recv(size, socket.MSG_DONTWAIT)
        except BlockingIOError:
            self._waits()
            return self._sock.recv(size)

    def sendall(self, data: bytes) -> None:
        self._said.append(data)
        self._length += len(data)
        if self._length > WHOLE:
            self.flush()

    def flush(self) -> None:
        """Send what was said. Raises OSError where the client is gone."""
        if not self._said:
            return
        said = b"".join(self._said)
        self._said.clear()
        self._length = 0
        with suppress(BlockingIOError):
            said = said[self._sock.send(said, socket.MSG_DONTWAIT) :]
        if said:
            self._waits()
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


class Worker(gthread.ThreadWorker):  # type: ignore[misc]
    """Its main thread looks after the others, and serves nobody. It ends when its listener is shut."""

    alive: bool

    def __init__(self, age: int, *rest: Any, **named: Any) -> None:
        self._slot, self._open, self._lead = age % SLOTS, 0, Lead()
        super().__init__(age, *rest, **named)
        self.keepalived_conns = set[Connection]()  # that ask nothing; who takes one out serves or closes it
        self._asking: dict[int, selectors.SelectorKey] = {}  # what the leader has still to look at
        self._under_way: tuple[Connection, float] | None = None  # what the leader answers, and since when
        self._declined_at: float | None = None  # since when a new connection is left to other workers
        self._declines = False
        self._beats_at = 0.0

    @property
    def nr_conns(self) -> int:
        """The name is gunicorn's, which counts its open connections here."""
        return self._open

    @nr_conns.setter
    def nr_conns(self, many: int) -> None:
        self._open = many
        self._tell()

    def notify(self) -> None:
        super().notify()
        TABLE.live(self._slot, time.monotonic() if self.alive else 0)

    def forget(self) -> None:
        """Expect nothing of it any more; called in gunicorn's own process."""
        TABLE.live(self._slot, 0)

    def run(self) -> None:
        """Let the threads serve until this worker is to end and they have nothing to do."""
        wake = self.method_queue
        self.poller.register(wake.fileno(), selectors.EVENT_READ, wake.run_callbacks)
        self.set_accept_enabled(True)
        for _ in range(self.cfg.threads):
            self.tpool.submit(self._take_turns)
        while self.alive:
            self._look_after()
        self._stop()
        self._end_threads()

    def _look_after(self) -> None:
        """Wait a little; relieve a leader whose request takes long; now and then do what gunicorn expects."""
        time.sleep(LOOK)
        now, under_way = time.monotonic(), self._under_way
        if under_way is not None and now > under_way[1] + LONG:
            with self._lead.mutex:
                if self._under_way is under_way:
                    self._let_go()
        if now > self._beats_at:
            self._beats_at = now + BEAT
            self.notify()
            self.murder_keepalived()
            self.alive = self.alive and self.is_parent_alive()

    def _stop(self) -> None:
        """Take no more connections; tell those that ask within a while that theirs ends."""
        with self._lead.mutex:
            self.set_accept_enabled(False)
        begun = time.monotonic()
        while self.nr_conns and time.monotonic() < begun + self.cfg.graceful_timeout:
            for conn in list(self.keepalived_conns):
                conn.timeout = min(conn.timeout, begun + gthread.STOP_KEEPALIVE_LINGER)
            self.murder_keepalived()
            self._look_after()
        self.murder_keepalived(force=True)

    def handle_quit(self, sig: int, frame: Any) -> None:
        self._end_threads()
        super().handle_quit(sig, frame)

    def _end_threads(self) -> None:
        self._lead.end()
        self._wake()
        self.tpool.shutdown(wait=False)

    def leave(self) -> None:
        """Let another thread lead from now on, if this one does."""
        if self._lead.is_mine():
            with self._lead.mutex:
                if self._lead.is_mine():
                    self._let_go()

    def _let_go(self) -> None:
        """Let another thread lead while what is under way goes on. The mutex is held."""
        if self._under_way is not None:
            conn, _ = self._under_way
            self._under_way = None
            conn.is_looked_for = False
            self.poller.unregister(conn.descriptor)
        self._lead.pass_on()
        self._tell()

    def _take_turns(self) -> None:
        """Lead whenever no other thread does."""
        try:
            while self._lead.wait():
                self._tell()
                while self._lead.is_mine():
                    self._look_for_events()
        except BaseException:  # whatever it is, the others go on, and another worker comes
            self.log.exception("a thread that serves has failed")
            self.alive = False
            self.leave()
            raise

    def _look_for_events(self) -> None:
        """Do what the poller tells of, until all is done or another thread leads."""
        self._declines = False
        self._asking.update((key.fd, key) for key, _ in self.poller.select(0 if self._asking else None))
        for descriptor in list(self._asking):
            key = self._asking.pop(descriptor)
            key.data(key.fileobj)
            if not self._lead.is_mine():
                return
        if not self._declines:
            self._declined_at = None  # nobody is waiting to be taken any more

    def accept(self, listener: socket.socket) -> None:
        """Take a new connection, unless another worker has less to do and may come for it."""
        if self.nr_conns >= self.worker_connections:
            with self._lead.mutex:
                self.set_accept_enabled(False)
        elif not self._declined(time.monotonic()):
            self._take_new(listener)

    def _declined(self, now: float) -> bool:
        """Tell whether another worker is to take what is waiting, and leave it a moment for that."""
        self._declines = self._load > TABLE.least(self._slot, now)
        if not self._declines:
            return False
        self._declined_at = self._declined_at or now
        if not self._asking:
            time.sleep(PAUSE)
        return now < self._declined_at + PATIENCE

    def _take_new(self, listener: socket.socket) -> None:
        try:
            sock, address = listener.accept()
        except OSError as error:
            if error.errno == errno.EINVAL:
                self.alive = False
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                raise
            return
        with self._lead.mutex:
            self.nr_conns += 1
        sock.setblocking(True)
        client = sock if self.cfg.is_ssl else Client(sock, self.leave)
        self._keep(Connection(self.cfg, client, address, listener.getsockname()))

    def _serve(self, conn: Connection, _descriptor: int) -> None:
        """Answer what a client asks, unless its connection was closed meanwhile."""
        if not self._took(conn):
            return
        self._under_way = conn, time.monotonic()
        stays = self.handle(conn) is True
        with self._lead.mutex:
            if self._lead.is_mine():
                self._under_way = None
        if stays:
            conn.set_timeout()
            self._keep(conn)
        else:
            self._close(conn)

    def _took(self, conn: Connection) -> bool:
        """Take a connection out of those that ask nothing; tell whether no other thread had done so."""
        try:
            self.keepalived_conns.remove(conn)
        except KeyError:
            return False
        return True

    def handle_request(self, req: Any, conn: Connection) -> Any:
        stays = super().handle_request(req, conn)
        conn.flush()
        return stays

    def _keep(self, conn: Connection) -> None:
        """Look for what a client asks next, or take it up where it has asked already."""
        if not conn.is_looked_for:
            conn.is_looked_for = True
            self.poller.register(conn.descriptor, selectors.EVENT_READ, partial(self._serve, conn))
        key = self.poller.get_key(conn.descriptor) if conn.has_asked_more else None
        self.keepalived_conns.add(conn)
        if key is not None:
            self._asking[key.fd] = key
            self._wake()

    def murder_keepalived(self, force: bool = False) -> None:
        """Close the connections of clients that have asked nothing for too long, or of all."""
        now = time.monotonic()
        for conn in list(self.keepalived_conns):
            if (force or conn.timeout < now) and self._took(conn):
                self._close(conn, graceful=False)

    def _close(self, conn: Connection, *, graceful: bool = True) -> None:
        if conn.is_looked_for:
            self.poller.unregister(conn.descriptor)
        if graceful:
            self.leave()  # a client that does not close its end is waited for
        conn.close(graceful=graceful)
        with self._lead.mutex:
            self.nr_conns -= 1
            if self.alive:
                self.set_accept_enabled(True)

    def _wake(self) -> None:
        """Let the leader look around, if it waits for events."""
        self.method_queue.defer(lambda: None)

    @property
    def _load(self) -> float:
        return self._open + (FULL if self._lead.is_vacant else 0)

    def _tell(self) -> None:
        TABLE.tell(self._slot, self._load)
