"""Threads of one process share a transaction of SQLite: they wait for its lock once, and for the disk once.

1. One thread at a time has the turn. The others stand in line, each before a lock of its own, while they may.
2. Who gets the turn alone begins a transaction on its own connection, and is the first in it.
3. Who is done while others stand in line does not commit. It hands on the turn with the transaction, and
   waits; the next one does its steps on the same connection, within a savepoint.
4. Who is done when nobody stands in line, or when enough are in it, commits for all, hands on the turn alone,
   and wakes them. Nobody returns before that.
5. Whose block raises undoes its own steps only. It waits like the others: what it saw may yet be undone.
6. Where the commit fails, or something has undone the whole, all who are in it raise that.

The steps of two are never mixed, so what one undoes no other has seen. Sessions take SQLite's lock as ever.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from copy import copy
from threading import Lock
from time import monotonic
from typing import Any, cast

from app.waiting import waiting

from .breaker import Breaker
from .budget import TooLong

MOST = 16  # threads that wait for the end of one transaction
LONGEST = 0.02  # seconds after which nobody joins it: another process waits for the lock

Begin = Callable[[Any, bool, float], object]  # on a connection, forced or not, within so many seconds


_INTERRUPTED = sqlite3.OperationalError("the transaction was interrupted")


class Shared:
    """A transaction, and who waits for its end. Whether its commit is forced is settled when it begins."""

    __slots__ = ("driver", "failure", "forced", "is_over", "joined_until", "waiting")

    def __init__(self, driver: sqlite3.Connection, *, forced: bool) -> None:
        self.driver, self.forced, self.is_over = driver, forced, False
        self.joined_until = monotonic() + LONGEST
        self.waiting: list[Lock] = []
        self.failure: sqlite3.Error | None = None

    def takes(self, unit: Unit, most: int) -> bool:
        return (
            unit.forced <= self.forced
            and len(self.waiting) < most
            and monotonic() < self.joined_until
            and self._goes_on()
        )

    def _goes_on(self) -> bool:
        """Tell whether SQLite has it yet. A savepoint outside of one would begin and commit by itself."""
        with suppress(sqlite3.Error):
            return self.failure is None and self.driver.in_transaction
        return False

    def run(self, *statements: str) -> None:
        """Run what all depend on: unless it comes through, the whole is lost."""
        self.failure = _INTERRUPTED
        try:
            for statement in statements:
                self.driver.execute(statement)
        except sqlite3.Error as error:
            self.failure = error
            raise
        self.failure = None

    def end(self) -> None:
        """Commit, or undo what has failed, and keep why."""
        try:
            if self.failure is None:
                with suppress(sqlite3.Error):
                    self.run("COMMIT")
        finally:
            if self.failure is not None:
                with suppress(sqlite3.Error):
                    self.driver.rollback()

    def wait(self, over: Lock) -> None:
        """Wait for its end, whatever is raised meanwhile: others may be on its connection."""
        raised = None
        while not self.is_over:
            try:
                with waiting.long():
                    over.acquire()
            except BaseException as error:  # a signal's, say: who left now would take the connection along
                raised = error
        if raised is not None:
            raise raised

    def wake(self) -> None:
        self.is_over = True
        for over in self.waiting:
            over.release()


class Line:
    """Whose turn it is, and who comes next."""

    def __init__(self, begin: Begin, breaker: Breaker, *, most: int = MOST) -> None:
        self.begin, self.breaker, self._most = begin, breaker, most
        self._changing = Lock()
        self._units: deque[Unit] = deque()
        self._is_taken = False

    def take(self, unit: Unit | None = None) -> bool:
        """Take the turn; where another has it, let the unit stand in line."""
        with self._changing:
            if self._is_taken:
                if unit is not None:
                    self._units.append(unit)
                return False
            self._is_taken = True
            return True

    def leave(self, unit: Unit) -> bool:
        """Stand in line no more. Where that is not so any more, the unit has the turn."""
        with self._changing:
            if unit not in self._units:
                return False
            self._units.remove(unit)
            return True

    def hand_on(self) -> None:
        """Hand on the turn alone."""
        with self._changing:
            following = self._units.popleft() if self._units else None
            self._is_taken = following is not None
        if following is not None:
            following.turn.release()

    def hand_on_with(self, shared: Shared) -> Lock | None:
        """Hand on the turn with a transaction to who may join it; return what its end is waited for at."""
        with self._changing:
            if not self._units or not shared.takes(self._units[0], self._most):
                return None
            following = self._units.popleft()
            following.shared = shared
            over = Lock()
            over.acquire()
            shared.waiting.append(over)
        following.turn.release()
        return over


class Unit:
    """What one thread does in a transaction: a block, given the connection to do it on."""

    __slots__ = ("_line", "_outside", "_own", "forced", "shared", "turn")

    def __init__(self, line: Line, own: sqlite3.Connection, *, forced: bool) -> None:
        self._line, self._own, self.forced = line, own, forced
        self.shared: Shared | None = None
        self.turn = Lock()
        self.turn.acquire()

    def __enter__(self) -> Any:
        """Who has SQLite's lock must not wait for those who serve: it keeps its turn, or waits without."""
        with self._line.breaker.asking() as seconds:
            has_turn = self._line.take(self)
            self._outside = self._giving_way() if has_turn else waiting.long()
            self._outside.__enter__()
            try:
                return self._entered(has_turn, seconds).driver
            except BaseException:  # whatever it is, the thread must be where it was
                self._outside.__exit__(None, None, None)
                raise

    def _giving_way(self) -> AbstractContextManager[None]:
        """Let others run where the disk is waited for."""
        return waiting.brief() if self.forced else nullcontext()

    def _entered(self, has_turn: bool, seconds: float) -> Shared:
        ends = monotonic() + seconds
        if not has_turn:
            self._wait_for_turn(seconds)
        if self.shared is None:
            self.shared = self._begun(ends - monotonic())
        else:
            self._join(self.shared)
        return self.shared

    def _wait_for_turn(self, seconds: float) -> None:
        """Raises TooLong."""
        try:
            came = self.turn.acquire(timeout=seconds)
        except BaseException:  # whoever got the turn meanwhile has to hand it on
            if not self._line.leave(self):
                self._finish()
            raise
        if not came and self._line.leave(self):
            raise TooLong("its lock was not free in time")

    def _begun(self, seconds: float) -> Shared:
        try:
            self._line.begin(self._own, self.forced, seconds)
            return Shared(self._own, forced=self.forced)
        except BaseException:  # the others stand in line
            self._line.hand_on()
            raise

    def _join(self, shared: Shared) -> None:
        try:
            shared.run("SAVEPOINT unit")
        except BaseException:  # the others are in it, or stand in line
            self._finish()
            raise

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        try:
            self._left(cast(Shared, self.shared), error)
        finally:
            self._outside.__exit__(None, None, None)

    def _left(self, shared: Shared, error: BaseException | None) -> None:
        if shared.driver is self._own and error is not None:  # nobody else has joined yet
            shared.failure = _INTERRUPTED
            self._finish()
            return
        try:
            if shared.driver is not self._own:
                self._release(shared, error)
        finally:
            self._finish()
        failure = shared.failure
        if failure is not None and failure is not error and (error is None or isinstance(error, Exception)):
            raise copy(failure)

    def _release(self, shared: Shared, error: BaseException | None) -> None:
        """Leave the savepoint, with the steps in it or without them."""
        with suppress(sqlite3.Error):
            if error is None:
                shared.run("RELEASE unit")
            else:
                shared.run("ROLLBACK TO unit", "RELEASE unit")
        if shared.failure is not None and isinstance(error, sqlite3.Error):
            shared.failure = error  # the savepoint is gone because of it

    def _finish(self) -> None:
        """Hand on the turn, with the transaction if there is one that goes on."""
        shared = self.shared
        if shared is None:
            self._line.hand_on()
            return
        over = self._line.hand_on_with(shared)
        if over is not None:
            shared.wait(over)
            return
        with self._giving_way():
            try:
                shared.end()
            finally:
                self._line.hand_on()
                shared.wake()
