"""python -m benchmarks.rotation: all rows sealed with a new key, time and again, by commands that are killed.

Readers ask a running gunicorn for random rows all the while. A new key goes the documented way: a server that
has it second takes over, then one that has it first; then the rows are sealed anew; then a server takes over
that has lost the old one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass

import requests
from sqlalchemy import create_engine, select

from app import create_app
from app.extensions import db
from app.models import Connection, User
from app.vault import key_id_of
from benchmarks.kills import DATABASES
from benchmarks.rotation_readers import Readers, Row
from config import Config
from tests.support.databases import ROOT
from tests.support.filling import fill
from tests.support.keys import ring
from tests.support.processes import Gunicorn, only
from tests.support.settings import base_settings

READERS = 6
ROWS_OF_A_USER = 100
PATIENCE = 600  # seconds for one command
LOOK = 0.01  # seconds between two looks at how far a rotation is


@dataclass(frozen=True)
class Found:
    """What came of the rotations of one database. `seconds` is how long one takes while nothing else runs."""

    rows: int
    rotations: int
    kills: int
    reads: int
    failed: list[str]
    left: int
    seconds: float

    @property
    def is_as_it_must_be(self) -> bool:
        return not self.failed and not self.left


def main() -> None:
    arguments = argparse.ArgumentParser(description="Rotate keys under load, and kill who does it.")
    arguments.add_argument("--rows", type=int, default=100_000, help="in each database")
    arguments.add_argument("--rotations", type=int, default=3, help="of all rows")
    arguments.add_argument("--kills", type=int, default=10, help="in all rotations together")
    arguments.add_argument("--database", choices=DATABASES, action="append", help="left out: each kind")
    told = arguments.parse_args()
    print(f"{'database':11} {'rows':>7} rotations kills   reads failed  left  rows/s, undisturbed")
    fine = True
    for name in told.database or DATABASES:
        with DATABASES[name]() as url, tempfile.TemporaryDirectory(prefix="latchkey-spool-") as spool:
            found = measure(House(url, spool, told.rows), told.rotations, told.kills)
        print(line(name, found), flush=True)
        print("\n".join(found.failed[:10]), file=sys.stderr, end="\n" if found.failed else "")
        fine = fine and found.is_as_it_must_be
    sys.exit(0 if fine else 1)


def line(name: str, found: Found) -> str:
    return (
        f"{name:11} {found.rows:7} {found.rotations:9} {found.kills:5} {found.reads:7} {len(found.failed):6}"
        f" {found.left:5} {found.rows / found.seconds:7.0f}"
    )


class House:
    """A filled database, and one server at a time in front of it. The first key is k1."""

    def __init__(self, database_url: str, spool: str, count: int) -> None:
        self.environ = {**base_settings(), "DATABASE_URL": database_url, "SPOOL_DIR": spool}
        self.rows = filled(self.environ, count)
        self._engine = create_engine(database_url)
        self.server = self._start("k1")

    def roll(self, *key_ids: str, readers: Readers | None = None) -> None:
        """Let a server with these keys take over; the one before it ends when nobody asks it any more."""
        before, self.server = self.server, self._start(*key_ids)
        if readers is not None:
            readers.go_over_to(self.server.url)
        before.close()

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Begin `flask keys` with the settings of the server that runs."""
        command = [sys.executable, "-m", "flask", "--app", "wsgi", "keys", *words]
        return subprocess.Popen(command, cwd=ROOT, env=only(self.environ), stdout=subprocess.PIPE, text=True)

    def run(self, *words: str) -> str:
        """Run it to its end; return what it prints."""
        process = self.begin(*words)
        said, _ = process.communicate(timeout=PATIENCE)
        if process.returncode:
            raise SystemExit(f"keys {' '.join(words)}: {said}")
        return said

    def kill_rotation_at(self, row: Row, new: str) -> None:
        """Begin a rotation, and kill it when it has sealed this row."""
        process = self.begin("rotate")
        while self._sealer_of(row) != new:
            if process.poll() is not None:
                raise SystemExit(f"a rotation ended before it could be killed: {process.communicate()[0]}")
            time.sleep(LOOK)
        process.kill()
        process.communicate()

    def close(self) -> None:
        self.server.close()
        self._engine.dispose()

    def _sealer_of(self, row: Row) -> str:
        with self._engine.connect() as connection:
            sealed = connection.execute(select(Connection.sealed).where(Connection.id == row.id)).scalar_one()
        return key_id_of(sealed)

    def _start(self, *key_ids: str) -> Gunicorn:
        self.environ["ENCRYPTION_KEYS"] = ring(*key_ids)
        started = Gunicorn(self.environ, "--max-requests", "0")
        while not is_ready(started):
            time.sleep(LOOK)
        return started


def is_ready(server: Gunicorn) -> bool:
    """Ask, however long it takes to start on a machine that is busy."""
    if server.process.poll() is not None:
        raise SystemExit(f"gunicorn has ended:\n{server.log()}")
    try:
        return server.get("/readyz").ok
    except requests.RequestException:
        return False


def measure(house: House, rotations: int, kills: int) -> Found:
    with contextlib.closing(house):
        readers = Readers(house.rows, house.server.url, READERS)
        with contextlib.closing(readers):
            for n in range(rotations):
                here = kills // rotations + (n < kills % rotations)
                rotate(house, f"k{n + 1}", f"k{n + 2}", here, readers)
            left = left_on_old_keys(house)
            house.roll(f"k{rotations + 1}", readers=readers)
        seconds = rotate(house, f"k{rotations + 1}", f"k{rotations + 2}")
        house.roll(f"k{rotations + 2}")
        house.run("verify")
    return Found(len(house.rows), rotations, kills, sum(readers.reads), readers.failed, left, seconds)


def rotate(house: House, old: str, new: str, kills: int = 0, readers: Readers | None = None) -> float:
    """Put `new` in the place of `old`; return how many seconds the last command took."""
    house.roll(old, new, readers=readers)
    house.roll(new, old, readers=readers)
    for n in range(kills):
        house.kill_rotation_at(house.rows[len(house.rows) * (n + 1) // (kills + 1)], new)
    began = time.monotonic()
    house.run("rotate")
    return time.monotonic() - began


def left_on_old_keys(house: House) -> int:
    keys = json.loads(house.run("list", "--json"))
    return sum(sum(key["rows"].values()) for key in keys if not key["primary"])


def filled(environ: Mapping[str, str], count: int) -> list[Row]:
    """Add users, and so many connections of theirs."""
    app = create_app(Config.from_env({**environ, "ENCRYPTION_KEYS": ring("k1")}))
    names = [f"u{n}" for n in range(max(1, count // ROWS_OF_A_USER))]
    with app.app_context():
        users = [
            User(username=name, username_key=name, email=name, email_key=name, password_hash="")
            for name in names
        ]
        db.session.add_all(users)
        db.session.commit()
        owners = [(user.id, user.username) for user in users]
    ids = fill(app, [user_id for user_id, _ in owners], count)
    with app.app_context():
        db.engine.dispose()
    return [Row(id, number, *owners[number % len(owners)]) for number, id in enumerate(ids)]


if __name__ == "__main__":
    main()
