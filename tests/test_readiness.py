"""A database that is not this service's: the start is refused, nothing is served from it, nothing written."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from alembic.command import downgrade
from sqlalchemy import create_engine, text

from app import create_app
from app.extensions import db
from config import Config
from tests.support.databases import ROOT, PostgresqlDatabases, SqliteDatabases
from tests.support.processes import gunicorn
from tests.support.service import StartService
from tests.support.settings import base_settings
from tests.support.tables import contents

OTHER_KEY = base64.b64encode(b"o" * 32).decode()
MIGRATE = "The database schema is older than this version; run: flask --app wsgi db upgrade"

Databases = SqliteDatabases | PostgresqlDatabases
Misfit = Callable[[Databases, StartService], tuple[str, dict[str, str]]]


def used(start_service: StartService) -> str:
    """Return a database in which a service with our key has stored something."""
    service = start_service()
    service.user()
    return service.environ["DATABASE_URL"]


def older(databases: Databases, _: StartService) -> tuple[str, dict[str, str]]:
    url = databases.new()
    app = create_app(Config.from_env({**base_settings(), "DATABASE_URL": url}))
    with app.app_context():
        migrations = app.extensions["migrate"].migrate.get_config(str(ROOT / "migrations"))
        downgrade(migrations, "-1")
        db.engine.dispose()
    return url, {}


def later(_: Databases, start_service: StartService, *, breaking: bool = True) -> tuple[str, dict[str, str]]:
    """Return a database as a later release leaves it, whose migration breaks this one, or does not."""
    url = used(start_service)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        if breaking:
            connection.execute(text("UPDATE schema_floor SET revision = '9998'"))
    engine.dispose()
    return url, {}


MISFITS: dict[str, tuple[Misfit, str]] = {
    "wrong key": (
        lambda _, start: (used(start), {"ENCRYPTION_KEYS": f"k1:{OTHER_KEY}"}),
        "ENCRYPTION_KEYS: key k1 is not the one that sealed what is stored.",
    ),
    "missing key": (
        lambda _, start: (used(start), {"ENCRYPTION_KEYS": f"k2:{OTHER_KEY}"}),
        "ENCRYPTION_KEYS: key k1 has sealed what is stored and is absent; add it.",
    ),
    "older schema": (older, MIGRATE),
    "breaking schema": (
        later,
        "The database schema is of a later version that breaks this one; install that version.",
    ),
    "empty database": (lambda databases, _: (databases.empty(), {}), MIGRATE),
}


@pytest.mark.parametrize("kind", MISFITS)
def test_a_database_that_does_not_fit_stops_the_start(
    databases: Databases, start_service: StartService, kind: str
) -> None:
    make, sentence = MISFITS[kind]
    url, settings = make(databases, start_service)
    before = contents(url)
    with gunicorn({**base_settings(), "DATABASE_URL": url, **settings}) as server:
        assert server.wait_for_end() != 0
        assert server.said() == {sentence} and "Traceback" not in server.log()
        assert OTHER_KEY not in server.log()
    assert contents(url) == before


@pytest.mark.parametrize("kind", MISFITS)
def test_nothing_is_served_from_a_database_that_does_not_fit(
    databases: Databases, start_service: StartService, kind: str
) -> None:
    make, _ = MISFITS[kind]
    url, settings = make(databases, start_service)
    before = contents(url)
    service = start_service(database_url=url, **settings)
    assert service.call("GET", "/healthz").status_code == 200
    ready = service.call("GET", "/readyz")
    assert (ready.status_code, ready.json()) == (503, {"status": "unavailable", "part": "schema or keys"})
    body = {"username": "late", "email": "late@example.com", "password": "long enough"}
    for method, path in (("POST", "/api/auth/register"), ("GET", "/api/connections"), ("GET", "/nowhere")):
        answer = service.call(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        assert answer.headers["Retry-After"] and answer.headers["Content-Type"] == "application/json"
    assert contents(url) == before


def test_a_later_schema_that_breaks_nothing_is_served(
    databases: Databases, start_service: StartService
) -> None:
    url, _ = later(databases, start_service, breaking=False)
    service = start_service(database_url=url)
    assert service.call("GET", "/readyz").json() == {"status": "ok"}
    assert service.user().call("GET", "/api/connections").status_code == 200


def test_a_new_key_is_added_and_the_old_one_may_not_go(
    databases: Databases, start_service: StartService
) -> None:
    url, both = used(start_service), f"k2:{OTHER_KEY},{base_settings()['ENCRYPTION_KEYS']}"
    first = start_service(database_url=url, ENCRYPTION_KEYS=both)
    assert first.call("GET", "/readyz").status_code == 200
    assert len(contents(url)["key_checks"]) == 2
    alone = start_service(database_url=url, ENCRYPTION_KEYS=f"k2:{OTHER_KEY}")
    assert alone.call("GET", "/readyz").status_code == 503
