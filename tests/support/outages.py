"""What may fail: PostgreSQL, SQLite's file, Redis; and what must be refused meanwhile, and what must not."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import start
from tests.support.databases import PostgresqlDatabases, SqliteDatabases
from tests.support.disks import no_file_longer_than
from tests.support.faults import Fault, RefusedCommit
from tests.support.houses import WELL, House, Said, house_of
from tests.support.providers import Sandbox
from tests.support.servers import FrailPostgresql, FrailRedis
from tests.support.service import Service

ALL = ("read", "write", "token", "start", "readyz")
WRITES = ("write", "token", "start")
NO_START = tuple(name for name in WELL if name != "start")
QUEUED = 6.0  # seconds for an answer of three times as many as there are threads; they could be twelve
PLENTY = "100000/minute"
COUNTED = ("DEFAULT", "LOGIN", "REGISTER", "START", "CALLBACK", "SECRETS")


@dataclass(frozen=True)
class Outage:
    """A failure, and what is asked: of `failing` each is refused, of `spared` none is, the others may be."""

    begin: Callable[[House], AbstractContextManager[object]]
    failing: tuple[str, ...] = ALL
    spared: tuple[str, ...] = ("healthz",)
    longest: float = 5.0  # seconds for an answer

    def problem(self, name: str, said: Said) -> str | None:
        """Return what is wrong with an answer, if anything is."""
        if said.seconds > self.longest:
            return f"{name}: {said.seconds:.2f} s"
        works = said.status == WELL[name] and name not in self.failing
        refused = name not in self.spared and said.status == 503 and (name == "readyz" or _is_clear(said))
        return None if works or refused else f"{name}: {said.status} {said.answer.text}"

    def problems(self, said: Iterable[tuple[str, Said]]) -> list[str]:
        return [problem for name, one in said if (problem := self.problem(name, one))]


def _is_clear(said: Said) -> bool:
    known = said.code in ("storage_unavailable", "sessions_unavailable")
    return known and int(said.answer.headers.get("Retry-After", 0)) >= 1


def of_postgresql(frail: FrailPostgresql) -> dict[str, Outage]:
    def passing(fault: Fault | RefusedCommit, failing: tuple[str, ...] = ALL) -> Outage:
        return Outage(lambda _: frail.proxy.suffering(fault), failing)

    def locked(house: House) -> AbstractContextManager[None]:
        return frail.locked(house.service.environ["DATABASE_URL"], "audit_events")

    return {
        "refused": passing(Fault.REFUSED),
        "silent": passing(Fault.SILENT),
        "dripping": passing(Fault.DRIPPING),
        "cut": passing(Fault.CUT),
        "frozen": Outage(lambda _: frail.frozen()),
        "stopped": Outage(lambda _: frail.stopped()),
        "read-only": Outage(lambda _: frail.read_only(), (*WRITES, "readyz")),
        "no connections": Outage(lambda _: frail.without_connections()),
        "locked": Outage(locked, ("write", "token")),
        "disk full": passing(RefusedCommit("53100"), WRITES),
        "out of memory": passing(RefusedCommit("53200"), WRITES),
        "shutting down": passing(RefusedCommit("57P01"), WRITES),
        "deadlock": passing(RefusedCommit("40P01"), WRITES),
    }


OF_SQLITE = {
    "locked": Outage(lambda house: locked(house), (*WRITES, "readyz")),
    "moved": Outage(lambda house: moved(house)),
    "emptied": Outage(lambda house: emptied(house)),
    "at its limit": Outage(lambda house: at_its_limit(house), WRITES),
}


def of_redis(frail: FrailRedis) -> dict[str, Outage]:
    def of(begin: Callable[[], AbstractContextManager[None]]) -> Outage:
        return Outage(lambda _: begin(), ("start",), NO_START, longest=3.0)

    return {
        "refused": of(lambda: frail.proxy.suffering(Fault.REFUSED)),
        "silent": of(lambda: frail.proxy.suffering(Fault.SILENT)),
        "cut": of(lambda: frail.proxy.suffering(Fault.CUT)),
        "frozen": of(frail.frozen),
        "full": of(frail.full),
        "read-only": of(frail.read_only),
    }


@contextlib.contextmanager
def house_on_postgresql(frail: FrailPostgresql, sandbox: Sandbox, spool: Path) -> Iterator[House]:
    """Its only way to the database is the proxy."""
    databases = PostgresqlDatabases((frail.url, None))
    url = databases.new()
    behind = {"DATABASE_URL": frail.through_proxy(url)}
    with serving(url, sandbox, spool) as service, house_of(service, **behind) as house:
        yield house
    databases.close()


@contextlib.contextmanager
def house_on_sqlite(template: Path, sandbox: Sandbox, folder: Path) -> Iterator[House]:
    with serving_in(folder, template, sandbox) as service, house_of(service) as house:
        yield house


@contextlib.contextmanager
def house_with_redis(
    frail: FrailRedis, databases: SqliteDatabases, sandbox: Sandbox, spool: Path
) -> Iterator[House]:
    """Sessions and limits are in Redis; no limit is ever reached."""
    settings = {"RATELIMIT_ENABLED": "true", "REDIS_URL": frail.url}
    settings |= {f"RATELIMIT_{word}": PLENTY for word in COUNTED}
    with serving(databases.new(), sandbox, spool, **settings) as service, house_of(service) as house:
        yield house


@contextlib.contextmanager
def serving(url: str, sandbox: Sandbox, spool: Path, **settings: str) -> Iterator[Service]:
    service = start(url, sandbox, SPOOL_DIR=str(spool), **settings)
    try:
        yield service
    finally:
        service.close()


@contextlib.contextmanager
def serving_in(folder: Path, template: Path, sandbox: Sandbox) -> Iterator[Service]:
    """Give a service whose database and spool lie in this folder."""
    file = folder / "database" / "latchkey.db"
    file.parent.mkdir()
    shutil.copy(template, file)
    with serving(f"sqlite:///{file}", sandbox, folder / "spool") as service:
        yield service


def file_of(house: House) -> Path:
    return Path(house.service.environ["DATABASE_URL"].removeprefix("sqlite:///"))


@contextlib.contextmanager
def locked(house: House) -> Iterator[None]:
    """Another process is in the midst of a write."""
    with contextlib.closing(sqlite3.connect(file_of(house), isolation_level=None, timeout=10)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextlib.contextmanager
def moved(house: House) -> Iterator[None]:
    """The folder is not there any more, as that of a volume which is not mounted."""
    folder = file_of(house).parent
    away = folder.rename(folder.with_name("away"))
    yield
    away.rename(folder)


@contextlib.contextmanager
def emptied(house: House) -> Iterator[None]:
    """The folder is there and has nothing in it, as a mount point without its volume."""
    with moved(house):
        folder = file_of(house).parent
        folder.mkdir()
        yield
        folder.rmdir()  # it would not go if another database had been begun there


@contextlib.contextmanager
def at_its_limit(house: House) -> Iterator[None]:
    """The log of what is to be written to the database cannot grow, nor begin anew while somebody reads."""
    with (
        contextlib.closing(sqlite3.connect(file_of(house), timeout=10)) as writer,
        contextlib.closing(sqlite3.connect(file_of(house), isolation_level=None)) as reader,
    ):
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        reader.execute("BEGIN")
        reader.execute("SELECT id FROM services").fetchall()
        writer.execute("CREATE TABLE filler AS SELECT zeroblob(1000000)")
        writer.execute("DROP TABLE filler")
        writer.commit()
        log = file_of(house).with_name("latchkey.db-wal")
        with no_file_longer_than(log.stat().st_size, children_of=house.server.process.pid):
            yield
