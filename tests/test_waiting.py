"""A database that does not answer at the start stops nothing: it is waited for."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

from tests.support.databases import PostgresqlDatabases, SqliteDatabases
from tests.support.door import Door
from tests.support.processes import gunicorn
from tests.support.service import free_port
from tests.support.settings import base_settings

Databases = SqliteDatabases | PostgresqlDatabases


@contextmanager
def away(databases: Databases, tmp_path: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Give the URL of a database that does not answer, and what makes it answer."""
    url = make_url(databases.new())
    if isinstance(databases, SqliteDatabases):
        folder = tmp_path / "volume"
        folder.write_text("not mounted yet")

        def mount() -> None:
            folder.unlink()
            folder.mkdir()
            shutil.copy(str(url.database), folder / "latchkey.db")

        yield f"sqlite:///{folder / 'latchkey.db'}", mount
        return
    door = Door((url.host or "127.0.0.1", url.port or 5432))
    through = url.set(host="127.0.0.1", port=door.port).update_query_dict({"sslmode": "disable"})
    yield through.render_as_string(hide_password=False), lambda: setattr(door, "is_open", True)
    door.close()


def test_a_database_that_does_not_answer_is_waited_for(databases: Databases, tmp_path: Path) -> None:
    with (
        away(databases, tmp_path) as (url, bring_back),
        gunicorn({**base_settings(), "DATABASE_URL": url}) as server,
    ):
        assert server.wait_for_answer("/healthz").status_code == 200
        ready = server.get("/readyz")
        assert (ready.status_code, ready.json()["part"]) == (503, "database")
        begun = time.monotonic()
        answer = server.get("/api/connections")
        assert time.monotonic() - begun < 5
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
        assert int(answer.headers["Retry-After"]) >= 1
        bring_back()
        end = time.monotonic() + 10
        while server.get("/readyz").status_code != 200 and time.monotonic() < end:
            time.sleep(0.1)
        assert server.get("/readyz").status_code == 200, server.log()
        assert server.get("/api/connections").status_code == 401
        assert "Traceback" not in server.log()


def test_the_databases_password_is_told_to_nobody() -> None:
    password = "canary-of-the-database"
    url = f"postgresql://somebody:{password}@127.0.0.1:{free_port()}/nothing"
    with gunicorn({**base_settings(), "DATABASE_URL": url}) as server:
        server.wait_for_answer()
        told = [server.get(path).text for path in ("/readyz", "/api/connections", "/")]
        assert not any(password in text for text in (*told, server.log()))
