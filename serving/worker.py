"""The worker: its threads take turns to lead, and its main thread sees to it that they do."""

from __future__ import annotations

import errno
import selectors
import socket
import time
from collections import deque
from collections.abc import Sequence
from functools import partial
from threading import Lock, get_ident
from typing import Any

from gunicorn.workers import gthread  # type: ignore[import-untyped]

from .answering import LATER, Answer, Answering
from .baton import Baton, Outside
from .client import Client, Connection
from .table import SLOTS, Table

LONG = 0.01  # seconds after which a request that still runs leads no more
LOOK = 0.02  # seconds after which it is looked for one
HELD = LONG + LOOK  # seconds for which an answer is kept while others are settled
TOGETHER = 16  # answers that are settled together
PAUSE = 0.0005  # seconds that a worker with more to do leaves a new connection to the others
PATIENCE = 0.1  # seconds after which it takes the connection: the others may be too busy to come
BEAT = 1.0  # seconds from one sign of life to the next
FULL = 1e6  # what taken threads weigh: more than any number of connections

TABLE = Table()  # made before the workers are forked; a reload of the settings does not make another


class Worker(Answering):
    """Its main thread looks after the others, and serves nobody. It ends when its listener is shut."""

    def __init__(self, age: int, *rest: Any, **named: Any) -> None:
        self._slot, self._open = age % SLOTS, 0
        self._lead = Baton(last_first=True)  # that one's memory is still at hand
        self._turn = Baton()  # to run: the others would take the interpreter from it at each system call
        self._changing = Lock()
        self._is_over = False
        super().__init__(age, *rest, **named)
        self.keepalived_conns = set[Connection]()  # that ask nothing; who takes one out serves or closes it
        self._asking: dict[int, selectors.SelectorKey] = {}  # what the leader has still to look at
        self._under_way: list[Connection] = []  # whom the leader answers
        self._unsettled: list[Answer] = []  # that the leader has kept
        self._settling_until = 0.0  # until when others wait for those that are settled
        self._settled = deque[Answer]()  # that it has still to send
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
        """Wait a little; take the turn from who has it for long; now and then do what gunicorn expects."""
        time.sleep(LOOK)
        self._tell()
        slow = self._turn.held_for(LONG)
        if slow is not None:
            self._relieve(slow)
        if time.monotonic() > self._beats_at:
            self._beats_at = time.monotonic() + BEAT
            self.notify()
            self.murder_keepalived()
            self.alive = self.alive and self.is_parent_alive()

    def _stop(self) -> None:
        """Take no more connections; tell those that ask within a while that theirs ends."""
        with self._changing:
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
        self._is_over = True
        self._wake()
        self.tpool.shutdown(wait=False)

    def long(self) -> Outside:
        """Return a block in which a thread that serves waits long: another one has its turn."""
        return Outside(self._turn, self._give_way)

    def brief(self) -> Outside:
        """Return a block in which it waits briefly: it keeps its turn unless that is wanted."""
        return Outside(self._turn, self._give_way_if_wanted)

    def has_company(self) -> bool:
        """Tell whether what this thread answers now may be settled together with others."""
        others = self._asking or self._unsettled or self._seconds_to_settle()
        return self._lead.is_mine() and bool(others)

    def _give_way(self) -> bool:
        """Give up the turn, if this thread has it; tell whether it had."""
        return self._relieve(get_ident())

    def _give_way_if_wanted(self) -> bool:
        is_wanted = self._turn.is_mine() and (self._turn.is_wanted or self._sees_more())
        return is_wanted and self._give_way()

    def _sees_more(self) -> bool:
        """Tell whether a client asks something meanwhile. Who does not lead leaves that to the leader."""
        if not self._lead.is_mine():
            return False
        self._look(0)
        return bool(self._asking)

    def _relieve(self, thread: int) -> bool:
        """Let others run and lead, if this thread has the turn, while what it has under way goes on.

        Who looks for events does so without the turn, and is not relieved: two would look, and one be told.
        """
        had_turn = self._turn.pass_on(thread)
        if had_turn:
            self._let_another_lead(thread)
        return had_turn

    def _let_another_lead(self, thread: int) -> None:
        with self._changing:
            if self._lead.is_of(thread):
                under_way, self._under_way = self._under_way, []
                self._look_no_more(under_way)
                self._lead.pass_on(thread)
                self._tell()

    def _take_in_hand(self, conns: list[Connection]) -> None:
        """Answer these clients now: whoever leads next has not to look for what they ask."""
        with self._changing:
            if self._lead.is_mine():
                self._under_way = conns
            else:
                self._look_no_more(conns)

    def _look_no_more(self, conns: Sequence[Connection]) -> None:
        for conn in conns:
            if conn.is_looked_for:
                conn.is_looked_for = False
                self.poller.unregister(conn.descriptor)

    def _take_turns(self) -> None:
        """Lead whenever no other thread does."""
        me = get_ident()
        try:
            while not self._is_over:
                self._lead.take()
                self._tell()
                self._turn.take()
                while self._lead.is_of(me) and not self._is_over:
                    self._look_for_events()
                self._relieve(me)
        except BaseException:  # whatever it is, the others go on, and another worker comes
            self.log.exception("a thread that serves has failed")
            self.alive = False
            self._turn.pass_on(me)
            self._let_another_lead(me)
            raise

    def _look(self, seconds: float | None) -> None:
        self._asking.update((key.fd, key) for key, _ in self.poller.select(seconds))

    def _look_for_events(self) -> None:
        """Do what the poller tells of, until all is done or another thread leads."""
        self._declines = False
        if not self._deliver():
            return
        self._look(0)
        if not self._asking:
            if not self._turn.pass_on(get_ident()):
                return  # it was relieved meanwhile, and does not lead for long
            self._look(self._seconds_to_settle() if self._unsettled else None)
            self._turn.take()
        for descriptor in list(self._asking):
            key = self._asking.pop(descriptor, None)  # who leads since a moment ago may have taken it
            if key is not None:
                key.data(key.fileobj)
            if not self._lead.is_mine():
                return
            if len(self._unsettled) >= TOGETHER and not self._deliver():
                return
            if self._turn.is_wanted:  # by those who come back from a wait
                self._turn.pass_on(get_ident())
                self._turn.take()
        if not self._declines:
            self._declined_at = None  # nobody is waiting to be taken any more

    def accept(self, listener: socket.socket) -> None:
        """Take a new connection, unless another worker has less to do and may come for it."""
        if self.nr_conns >= self.worker_connections:
            with self._changing:
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
        with self._changing:
            self.nr_conns += 1
        sock.setblocking(True)
        client = sock if self.cfg.is_ssl else Client(sock, self.long)
        self._keep(Connection(self.cfg, client, address, listener.getsockname()))

    def _serve(self, conn: Connection, _descriptor: int) -> None:
        """Answer what a client asks, unless its connection was closed meanwhile."""
        if not self._took(conn):
            return
        self._turn.begin()
        self._take_in_hand([conn])
        came_of_it = self.handle(conn)
        if came_of_it is not LATER:
            self._go_on(conn, stays=came_of_it is True)

    def _go_on(self, conn: Connection, *, stays: bool) -> None:
        """Wait for what a client asks next, or close its connection."""
        with self._changing:
            if conn in self._under_way:
                self._under_way.remove(conn)
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

    def _kept(self, answer: Answer) -> bool:
        """Keep it for the leader, who is this thread unless that has taken long; tell whether it is kept."""
        with self._changing:
            if not self._lead.is_mine():
                return False
            self._unsettled.append(answer)
            return True

    def _deliver(self) -> bool:
        """Settle and send what was kept; tell whether this thread still leads.

        While others are settled it is kept on, to be settled together after them, if that is not for long.
        """
        if self._unsettled and not self._seconds_to_settle():
            self._settle_all()
        while (answer := self._next_settled()) is not None:
            self._take_in_hand([answer.conn])
            self._go_on(answer.conn, stays=self._sent_at_last(answer))
        return self._lead.is_mine()

    def _seconds_to_settle(self) -> float:
        """Return for how long to wait for those that another thread settles."""
        return max(0.0, self._settling_until - time.monotonic())

    def _settle_all(self) -> None:
        with self._changing:
            if not self._lead.is_mine():
                return
            answers, self._unsettled = self._unsettled, []
            self._settling_until = time.monotonic() + HELD
        self._turn.begin()
        self._take_in_hand([answer.conn for answer in answers])
        try:
            self._settle([answer.body for answer in answers])
        except Exception:  # whatever it is, it is met again by the one whose fault it is
            self.log.exception("answers could not be settled together")
        with self._changing:
            self._settled.extend(answers)
            self._settling_until = 0.0
            if self._lead.is_mine():
                self._under_way = []
                return
        self._wake()

    def _next_settled(self) -> Answer | None:
        """Return what is to be sent next, if this thread leads."""
        with self._changing:
            return self._settled.popleft() if self._settled and self._lead.is_mine() else None

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
        if graceful and not conn.has_left():
            with self.long():
                conn.close(graceful=True)  # it waits until the client closes its end
        else:
            conn.close()
        with self._changing:
            self.nr_conns -= 1
            if self.alive:
                self.set_accept_enabled(True)

    def _wake(self) -> None:
        """Let the leader look around, if it waits for events."""
        self.method_queue.defer(lambda: None)

    @property
    def _load(self) -> float:
        return self._open + (FULL if self._lead.is_free else 0)

    def _tell(self) -> None:
        TABLE.tell(self._slot, self._load)
