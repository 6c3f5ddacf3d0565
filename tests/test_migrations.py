"""Migrations: equal to the models, forward on a filled database and again, down to nothing and up."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, select, text

from app import create_app
from app.extensions import db
from app.models import Connection, Grant, Service, User
from app.providers import SERVICES
from config import Config
from tests.migrations_equal_models import differences
from tests.support.browser import Agent
from tests.support.databases import ROOT, PostgresqlDatabases, SqliteDatabases
from tests.support.processes import run
from tests.support.rows import ago
from tests.support.service import Service as Running
from tests.support.service import StartService
from tests.support.service import User as Caller
from tests.support.settings import base_settings
from tests.support.tables import contents

Databases = SqliteDatabases | PostgresqlDatabases
FOLDER = str(ROOT / "migrations")
REVISIONS = [script.revision for script in ScriptDirectory(FOLDER).walk_revisions()][::-1]


@contextmanager
def application(url: str) -> Iterator[None]:
    """Stand in the context of an application on this database."""
    app = create_app(Config.from_env({**base_settings(), "DATABASE_URL": url}))
    with app.app_context():
        yield
        db.session.remove()
        db.engine.dispose()


def move(verb: Callable[..., Any], url: str, revision: str) -> None:
    with application(url):
        verb(directory=FOLDER, revision=revision)


def tables(url: str) -> set[str]:
    engine = create_engine(url)
    found = set(inspect(engine).get_table_names())
    engine.dispose()
    return found


def test_migrations_equal_the_models(databases: Databases) -> None:
    assert differences(databases.new()) == []


def test_revisions_are_one_line() -> None:
    scripts = ScriptDirectory(FOLDER)
    assert scripts.get_heads() == [REVISIONS[-1]] and scripts.get_bases() == [REVISIONS[0]]


def test_the_services_are_those_of_the_providers(databases: Databases) -> None:
    with application(databases.new()):
        rows = db.session.scalars(select(Service).order_by(Service.id)).all()
        found = [(row.id, row.name, row.display_name, row.description, row.enabled) for row in rows]
    declared = [(one.id, one.name, one.display_name, one.description, True) for one in SERVICES]
    assert found == sorted(declared)


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_filled_database_goes_forward_and_again(
    databases: Databases, start_service: StartService, revision: str
) -> None:
    """Fill a database of today, take it back to an older revision, and forward: what was there is there."""
    service = start_service()
    url, user = service.environ["DATABASE_URL"], service.user()
    body = {"name": "box", "type": "sshes", "data": {"host": "h", "username": "u", "password": "p"}}
    id = user.call("POST", "/api/users/:username/add/connection", json=body).json()["id"]
    for name in ("gmail", "facebook", "github", "spotify"):
        assert Agent(service).connect(user, name).status_code == 200
    Agent(service).start(user, "discord")
    service.close()
    move(flask_migrate.downgrade, url, revision)
    before = contents(url)
    assert before["alembic_version"] == [(repr(revision),)]
    for _ in range(2):
        move(flask_migrate.upgrade, url, "head")
        after = contents(url)
        assert after.pop("alembic_version") == [(repr(REVISIONS[-1]),)]
        for name in before.keys() - {"alembic_version"}:
            width = len(before[name][0]) if before[name] else 0  # columns that are new come last
            assert [row[:width] for row in after[name]] == before[name], name
    assert differences(url) == []
    again = start_service(database_url=url)
    answer = again.call("GET", f"/api/users/{user.username}/get/connection/{id}", headers=user.headers)
    assert answer.json()["data"] == body["data"]
    found = {row.provider: row for row in grants_of(again, user)}
    for provider, days in (("facebook", 60), ("github", 365), ("spotify", 182)):
        ends_at = found[provider].ends_at or found[provider].expires_at
        assert ends_at is not None and abs(ends_at - ago(days=-days)) < timedelta(hours=1), provider
    due_at = found["facebook"].due_at
    assert due_at is not None and abs(due_at - ago(days=-46)) < timedelta(hours=1), "while it lives"
    for name in ("gmail", "facebook", "github", "spotify"):
        answer = again.call("GET", f"/api/connections/{name}/token", headers=user.headers)
        assert answer.status_code == 200


def grants_of(service: Running, user: Caller) -> list[Grant]:
    with service.app.app_context():
        return list(db.session.scalars(select(Grant).where(Grant.user_id == user.id)))


def columns(url: str) -> dict[tuple[str, str], tuple[str, bool]]:
    """Return each column's type, and whether a row may be inserted without it."""
    engine = create_engine(url)
    inspector = inspect(engine)
    found = {
        (table, column["name"]): (str(column["type"]), column["nullable"] or column["default"] is not None)
        for table in inspector.get_table_names()
        for column in inspector.get_columns(table)
    }
    engine.dispose()
    return found


@pytest.mark.parametrize("revision", REVISIONS[1:])
def test_the_release_before_goes_on_working(databases: Databases, revision: str) -> None:
    """Each migration leaves every column that was there, and adds none that must be filled."""
    url = databases.new()
    move(flask_migrate.downgrade, url, revision)
    after = columns(url)
    move(flask_migrate.downgrade, url, "-1")
    before = columns(url)
    assert {key: after.get(key) for key in before} == before
    old_tables = {table for table, _ in before}
    added = {key: spared for key, (_, spared) in after.items() if key not in before and key[0] in old_tables}
    assert all(added.values()), added


def test_down_to_nothing_and_up_again(databases: Databases) -> None:
    url = databases.new()
    first = tables(url)
    move(flask_migrate.downgrade, url, "base")
    assert tables(url) == {"alembic_version"}
    move(flask_migrate.upgrade, url, "head")
    assert tables(url) == first and differences(url) == []


def test_two_upgrades_at_once(databases: Databases) -> None:
    environ = {**base_settings(), "DATABASE_URL": databases.empty()}

    def upgrade(_: int) -> tuple[int, str]:
        ended = run("-m", "flask", "--app", "wsgi", "db", "upgrade", environ=environ)
        return ended.returncode, ended.stderr

    with ThreadPoolExecutor(2) as pool:
        for status, said in pool.map(upgrade, range(2)):
            assert status == 0, said
    assert differences(environ["DATABASE_URL"]) == []


@pytest.mark.parametrize("written", ["absolute", "relative"])
def test_sqlite_is_private_and_careful(tmp_path: Path, written: str) -> None:
    path = tmp_path / "new" / "latchkey.db"
    url = f"sqlite:///{path if written == 'absolute' else os.path.relpath(path, ROOT)}"
    environ = {**base_settings(), "DATABASE_URL": url}
    ended = run("-m", "flask", "--app", "wsgi", "db", "upgrade", environ=environ, umask=0o022)
    assert ended.returncode == 0, ended.stderr
    with application(f"sqlite:///{path}"):
        pragmas = {
            name: db.session.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "foreign_keys", "synchronous", "secure_delete")
        }
        assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 2, "secure_delete": 1}
        files = [file for file in path.parent.iterdir() if file.name.startswith("latchkey.db")]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600} and len(files) == 3
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_ids_are_never_used_twice(databases: Databases) -> None:
    """A row that was deleted leaves no place for another in its envelope."""
    with application(databases.new()):
        user = User(username="u", username_key="u", email="e", email_key="e", password_hash="h")
        db.session.add(user)
        db.session.flush()
        ids = []
        for _ in range(2):
            row = Connection(user_id=user.id, name="", type="custom", outline={}, sealed=b"")
            db.session.add(row)
            db.session.flush()
            ids.append(row.id)
            db.session.delete(row)
            db.session.commit()
        assert ids[1] > ids[0]
        db.session.delete(user)
        db.session.commit()
