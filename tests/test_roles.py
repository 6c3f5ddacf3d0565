"""Two roles on PostgreSQL: the application's own uses the tables, and cannot touch what was written down."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy.engine import make_url

from tests.support.databases import ROOT, PostgresqlDatabases
from tests.support.processes import run
from tests.support.providers import Sandbox
from tests.support.roles import Roles, roles
from tests.support.service import Service, free_port
from tests.support.settings import base_settings

OLDER = [script.revision for script in ScriptDirectory(str(ROOT / "migrations")).walk_revisions()][1]


@pytest.fixture(scope="module")
def two(postgresql: PostgresqlDatabases) -> Iterator[Roles]:
    with roles(postgresql) as found:
        for _ in range(2):  # again is no harm
            flask(found, "db", "upgrade")
        yield found


@pytest.fixture(scope="module")
def service(two: Roles, sandbox: Sandbox) -> Iterator[Service]:
    port = free_port()
    settings = {**sandbox.register(f"http://127.0.0.1:{port}"), **two.settings}
    started = Service(two.application_url, settings, host="127.0.0.1", port=port)
    yield started
    started.close()


def flask(two: Roles, *words: str, **settings: str) -> str:
    environ = {**base_settings(), **two.settings, **settings}
    done = run("-m", "flask", "--app", "wsgi", *words, environ=environ)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(two: Roles, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        two.execute(two.application_url, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET actor = 'somebody else'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "DROP TABLE audit_events",
        "ALTER TABLE audit_events DISABLE TRIGGER ALL",
        "CREATE TABLE mine (id integer)",
        "ALTER TABLE users ADD COLUMN mine integer",
        "UPDATE alembic_version SET version_num = '0001'",
        "UPDATE schema_floor SET revision = '0001'",
        "TRUNCATE users CASCADE",
        "SELECT setval('audit_events_id_seq', 1)",
    ],
)
def test_what_the_application_may_not_do(two: Roles, statement: str) -> None:
    refused(two, statement)


def test_everything_works_as_the_application(service: Service, two: Roles) -> None:
    user = service.user()
    body = {"name": "n", "type": "custom", "data": {"k": "v"}}
    id = user.call("POST", "/api/users/:username/add/connection", json=body).json()["id"]
    assert user.call("GET", f"/api/users/:username/get/connection/{id}").json()["data"] == {"k": "v"}
    assert user.call("GET", "/api/connections/github").status_code == 302
    assert user.call("GET", "/api/audit").json()["events"]
    assert service.call("GET", "/readyz").json() == {"status": "ok"}
    assert "connection.read" in flask(two, "audit", "--user", user.username)
    assert "rows cleared" in flask(two, "worker", "--once", SPOOL_DIR=service.environ["SPOOL_DIR"])


def test_only_the_owner_prunes(service: Service, two: Roles) -> None:
    user = service.user()
    two.execute(two.owner_url, "UPDATE audit_events SET at = at - interval '400 days'")
    user.call("GET", "/api/users/:username/connection/gettokens")
    alone = {"MIGRATION_DATABASE_URL": two.application_url}
    environ = {**base_settings(), **two.settings, **alone}
    done = run("-m", "flask", "--app", "wsgi", "audit", "prune", environ=environ)
    assert done.returncode == 1 and "MIGRATION_DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr and len(done.stderr.splitlines()) == 1
    assert "would go" in flask(two, "audit", "prune", "--dry-run")
    assert len(user.call("GET", "/api/audit").json()["events"]) == 2
    assert "are gone" in flask(two, "audit", "prune")
    assert [event["action"] for event in user.call("GET", "/api/audit").json()["events"]] == [
        "connection.read_all"
    ]
    assert flask(two, "audit", "prune").startswith("0 events older than 365 days")


def finding(two: Roles, subject: str, **settings: str) -> dict[str, str]:
    environ = {**base_settings(), **two.settings, **settings}
    done = run("-m", "flask", "--app", "wsgi", "doctor", "--json", environ=environ)
    (found,) = [one for one in json.loads(done.stdout) if one["subject"] == subject]
    return dict(found)


def test_the_doctor_sees_what_a_role_may_do(two: Roles) -> None:
    as_owner = {"DATABASE_URL": two.owner_url}
    assert finding(two, "roles")["level"] == finding(two, "migrations")["level"] == "ok"
    assert "owns tables" in finding(two, "roles", **as_owner)["what"]
    name = make_url(two.application_url).username
    two.execute(two.owner_url, f"GRANT UPDATE ON audit_events TO {name}")
    assert "can change what the audit says" in finding(two, "roles")["what"]
    two.execute(two.owner_url, f"REVOKE UPDATE ON audit_events FROM {name}")
    two.execute(two.owner_url, f"GRANT CREATE ON SCHEMA public TO {name}")
    assert "can make tables" in finding(two, "roles")["what"]
    two.execute(two.owner_url, f"REVOKE CREATE ON SCHEMA public FROM {name}")


def test_the_doctor_sees_that_migrations_go_elsewhere(two: Roles, postgresql: PostgresqlDatabases) -> None:
    other = finding(two, "migrations", MIGRATION_DATABASE_URL=postgresql.empty())
    assert other["level"] == "problem" and "another database" in other["what"]


def test_a_forgotten_role_of_migrations_is_named(postgresql: PostgresqlDatabases) -> None:
    with roles(postgresql) as fresh:
        environ = {**base_settings(), "DATABASE_URL": fresh.application_url}
        done = run("-m", "flask", "--app", "wsgi", "db", "upgrade", environ=environ)
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert "name the one that owns them in MIGRATION_DATABASE_URL" in done.stderr


def test_an_audit_that_is_away_is_said_so(two: Roles) -> None:
    away = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    environ = {**base_settings(), **two.settings, "MIGRATION_DATABASE_URL": away}
    done = run("-m", "flask", "--app", "wsgi", "audit", "prune", environ=environ)
    assert done.returncode == 1 and done.stderr.startswith("Error: The database does not answer: ")


def test_a_downgrade_and_an_upgrade_leave_the_rights(two: Roles) -> None:
    flask(two, "db", "downgrade", OLDER)
    refused(two, "DELETE FROM audit_events")
    flask(two, "db", "upgrade")
    refused(two, "DELETE FROM audit_events")
    two.execute(two.application_url, "DELETE FROM service_keys")
