"""Threads that share a transaction of SQLite: one commit, and each is told what became of its own steps."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Integer, create_engine, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from app.models import budget, engines, group
from app.models.budget import TooLong
from app.models.direct import Statement, Transaction

ROOT = Path(__file__).parents[1]
SCHEMA = """
PRAGMA journal_mode=WAL;
CREATE TABLE parts (of TEXT, part INTEGER, size BLOB);
CREATE TABLE parents (id INTEGER PRIMARY KEY);
CREATE TABLE children (parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED);
"""
PART = Statement(
    text("INSERT INTO parts VALUES (:of, :part, zeroblob(:size)) RETURNING rowid").columns(rowid=Integer)
)
ORPHAN = Statement(text("INSERT INTO children VALUES (1)"))
PATIENCE = 10.0  # seconds

Block = Callable[[Transaction], object]


class Place:
    """A database, and what its connections were told."""

    def __init__(self, path: Path) -> None:
        with sqlite3.connect(path) as made:
            made.executescript(SCHEMA)
        self.path, self.told = path, list[str]()
        self.engine = create_engine(f"sqlite:///{path}", **engines.options(f"sqlite:///{path}"))
        self.direct = engines.listen(self.engine)
        event.listen(self.engine, "connect", lambda driver, _: driver.set_trace_callback(self.told.append))
        self._pool = ThreadPoolExecutor(20)

    def write(self, of: str, block: Block = lambda _: None, *, forced: bool = True) -> None:
        """Write two parts in one transaction, with something in between."""
        with self.direct.transaction(forced=forced) as under_way:
            under_way.all(PART, of=of, part=1, size=1)
            block(under_way)
            under_way.all(PART, of=of, part=2, size=1)

    def start(self, of: str, block: Block = lambda _: None, *, forced: bool = True) -> Future[None]:
        return self._pool.submit(self.write, of, block, forced=forced)

    def in_line(self) -> int:
        way: Any = self.direct._way
        return len(way._line._units)

    def wait_for_line(self, length: int) -> None:
        wait_until(lambda: self.in_line() == length)

    def commits(self) -> int:
        return self.told.count("COMMIT")

    def stored(self) -> set[str]:
        """Return what others see, whole."""
        with sqlite3.connect(self.path) as other:
            found = other.execute("SELECT of, group_concat(part) FROM parts GROUP BY of").fetchall()
        assert {parts for _, parts in found} <= {"1,2"}
        return {of for of, _ in found}

    def together(self, blocks: dict[str, Block], *, forced: bool = True) -> dict[str, Future[None]]:
        """Run the first block when all the others stand in line, and return when all are done."""

        def first(under_way: Transaction) -> None:
            begun.set()
            self.wait_for_line(len(others))
            block(under_way)

        begun = threading.Event()
        (of, block), *others = blocks.items()
        done = {of: self.start(of, first, forced=forced)}
        assert begun.wait(PATIENCE)
        for number, (of, other) in enumerate(others, 1):
            done[of] = self.start(of, other)
            if number < len(others):  # the last one lets the first go on
                self.wait_for_line(number)
        for one in done.values():
            one.exception(PATIENCE)
        return done

    def close(self) -> None:
        self._pool.shutdown()
        self.engine.dispose()


def wait_until(come: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not come():
        assert time.monotonic() < end, "it never comes"
        time.sleep(0.001)


def nothing(_: Transaction) -> None:
    pass


def raising(error: BaseException) -> Block:
    def block(_: Transaction) -> None:
        raise error

    return block


def orphan(under_way: Transaction) -> None:
    """Do what the commit alone refuses."""
    under_way.all(ORPHAN)


def lose(under_way: Transaction) -> None:
    """Do what SQLite does where it cannot even undo one step."""
    under_way._driver.rollback()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr(group, "LONGEST", PATIENCE)
    opened = Place(tmp_path / "group.db")
    yield opened
    opened.close()


def raised(done: dict[str, Future[None]]) -> dict[str, type[BaseException]]:
    errors = {of: one.exception() for of, one in done.items()}
    return {of: type(error) for of, error in errors.items() if error is not None}


def test_those_who_wait_share_one_commit(place: Place) -> None:
    done = place.together({"first": nothing, "second": nothing, "third": nothing})
    assert raised(done) == {}
    assert place.stored() == {"first", "second", "third"}
    assert place.commits() == 1


def test_who_writes_alone_commits_alone(place: Place) -> None:
    place.write("first")
    place.write("second")
    place.direct.write(PART, of="third", part=1, size=1)
    place.direct.write(PART, of="third", part=2, size=1)
    assert place.commits() == 2
    assert place.stored() == {"first", "second", "third"}
    assert "SAVEPOINT unit" not in place.told


def test_a_single_statement_shares_it_too(place: Place) -> None:
    single: list[Future[list[Any]]] = []

    def block(under_way: Transaction) -> None:
        for number in (1, 2):
            single.append(place._pool.submit(place.direct.write, PART, of="single", part=number, size=1))
            place.wait_for_line(number)

    place.write("first", block)
    assert [rows.result(PATIENCE) for rows in single] == [[(3,)], [(4,)]]
    assert place.stored() == {"first", "single"}
    assert place.commits() == 1


def test_nobody_returns_before_the_commit(place: Place) -> None:
    returned = []

    def second(_: Transaction) -> None:
        time.sleep(0.1)
        returned.append(done_first.done())

    ready = threading.Event()
    done_first = place.start("first", lambda _: ready.wait(PATIENCE))
    wait_until(lambda: any("INSERT" in told for told in place.told))
    done_second = place.start("second", second)
    place.wait_for_line(1)
    ready.set()
    assert [done_first.result(PATIENCE), done_second.result(PATIENCE)] == [None, None]
    assert returned == [False]


@pytest.mark.parametrize("who", ["first", "second", "third"])
@pytest.mark.parametrize("error", [ZeroDivisionError(), KeyboardInterrupt()], ids=repr)
def test_one_that_raises_undoes_its_own_alone(place: Place, who: str, error: BaseException) -> None:
    blocks = {"first": nothing, "second": nothing, "third": nothing, who: raising(error)}
    done = place.together(blocks)
    assert raised(done) == {who: type(error)}
    assert place.stored() == {"first", "second", "third"} - {who}


def test_a_commit_that_fails_is_everybodys(place: Place) -> None:
    done = place.together({"first": nothing, "second": orphan, "third": raising(ZeroDivisionError())})
    assert raised(done) == dict.fromkeys(["first", "second", "third"], IntegrityError)
    assert len({id(one.exception()) for one in done.values()}) == 3
    assert place.stored() == set()
    place.write("after all")
    assert place.stored() == {"after all"}


@pytest.mark.parametrize("who", ["first", "second", "third"])
def test_a_transaction_that_is_lost_is_lost_for_all_in_it(place: Place, who: str) -> None:
    done = place.together({"first": nothing, "second": nothing, "third": nothing, who: lose})
    assert who in raised(done)
    assert set(raised(done).values()) == {OperationalError}
    with sqlite3.connect(place.path) as other:
        whole = other.execute("SELECT of FROM parts GROUP BY of HAVING count(*) = 2").fetchall()
    assert {of for (of,) in whole} == set(done) - set(raised(done))
    place.write("after all")


def test_a_connection_that_is_lost_is_replaced(place: Place) -> None:
    done = place.together({"first": nothing, "second": lambda under_way: under_way._driver.close()})
    assert all(isinstance(one.exception(), DBAPIError) for one in done.values())
    for number in range(20):
        place.write(f"after {number}")
    assert len(place.stored()) == 20


def test_a_full_disk_is_told_to_whom_it_concerns(place: Place) -> None:
    def fill(under_way: Transaction) -> None:
        under_way._driver.execute("PRAGMA max_page_count=20")
        under_way.all(PART, of="second", part=3, size=1_000_000)

    done = place.together({"first": nothing, "second": fill, "third": nothing})
    assert "full" in str(done["second"].exception())
    assert all("full" in str(one.exception()) for one in done.values() if one.exception())
    assert place.stored() == set(done) - set(raised(done))


def test_who_may_wait_no_longer_leaves(place: Place) -> None:
    def hurried() -> None:
        with budget.of(0.2), pytest.raises(TooLong):
            place.write("hurried")

    def block(_: Transaction) -> None:
        begun = time.monotonic()
        place._pool.submit(hurried).result(PATIENCE)
        assert 0.1 < time.monotonic() - begun < 1
        assert place.in_line() == 0
        with budget.of(0), pytest.raises(TooLong):
            place.write("too late")

    place.write("patient", block)
    place.write("after all")
    assert place.stored() == {"patient", "after all"}


def test_a_forced_commit_is_not_shared_with_one_that_is_not(place: Place) -> None:
    done = place.together({"first": nothing, "second": nothing}, forced=False)
    assert raised(done) == {}
    # The connection of the second one forces from the start.
    assert [told for told in place.told if told in ("PRAGMA synchronous=NORMAL", "COMMIT")][-2:] == [
        "COMMIT",
        "COMMIT",
    ]
    assert "SAVEPOINT unit" not in place.told


def test_nobody_joins_one_that_took_long(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "LONGEST", 0)
    done = place.together({"first": nothing, "second": nothing, "third": nothing})
    assert raised(done) == {}
    assert place.commits() == 3


def test_a_database_in_memory_is_of_one_thread() -> None:
    engine = create_engine("sqlite:///:memory:", **engines.options("sqlite:///:memory:"))
    direct = engines.listen(engine)
    direct.write(Statement(text("CREATE TABLE parts (of TEXT, part INTEGER, size BLOB)")))
    with direct.transaction() as under_way:
        under_way.all(PART, of="one", part=1, size=1)
    assert direct.write(PART, of="one", part=2, size=1) == [(2,)]
    engine.dispose()


WRITER = """
import sys, threading
from pathlib import Path
from tests.test_group import Place
place = Place(Path(sys.argv[1]))

def write(thread):
    for number in range(100_000):
        place.write(f"{thread}-{number}")
        print(f"{thread}-{number}\\n", end="", flush=True)

for thread in range(8):
    threading.Thread(target=write, args=(thread,)).start()
"""


@pytest.mark.parametrize("seconds", [0.3, 0.5])
def test_what_was_reported_outlives_the_process(tmp_path: Path, seconds: float) -> None:
    path = tmp_path / "group.db"
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(seconds)
        writer.kill()
        reported = [line.strip() for line in [first, *writer.stdout] if line.endswith("\n")]
    with sqlite3.connect(path) as other:
        found = dict(other.execute("SELECT of, group_concat(part) FROM parts GROUP BY of"))
    assert set(found.values()) == {"1,2"}
    assert len(reported) > 8
    assert set(reported) <= set(found)
