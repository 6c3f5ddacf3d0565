"""Exports and imports as operators make them, and files such as no export writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from click.testing import Result
from sqlalchemy import select

from app.extensions import db, vault
from app.models import Connection, Grant, ServiceConnection, User
from app.services.archive import Kind, Reader, Writer
from tests.support.keys import ring
from tests.support.service import Service, StartService, twin_of

PASSPHRASE = "correct horse battery staple"
OF_THE_ROW = frozenset({"id", "user_id", "grant_id", "incarnation", "sealed"})  # different wherever it is
UNDER_WAY = frozenset(
    {"generation", "lease_owner", "lease_node", "lease_until", "attempted_at", "attempts"}
    | {"failure", "failed_at", "failing_days", "retry_at", "due_at"}
)  # of a renewal: it begins anew

Document = Mapping[str, Any]


def passphrase_file(folder: Path, text: str = f"{PASSPHRASE}\n", mode: int = 0o600) -> str:
    """Write a passphrase to a file of this folder; return its name."""
    path = folder / "passphrase"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def exported(service: Service, path: Path, *words: str) -> Result:
    """Run `export` into this file, with the one passphrase."""
    return _run(service, "export", path, *words)


def imported(service: Service, path: Path, *words: str) -> Result:
    """Run `import` of this file, with the one passphrase."""
    return _run(service, "import", path, *words)


def _run(service: Service, verb: str, path: Path, *words: str) -> Result:
    options = ("--passphrase-file", passphrase_file(path.parent))
    done: Result = service.app.test_cli_runner().invoke(args=[verb, str(path), *options, *words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def other_service(start_service: StartService, service: Service, **settings: str) -> Service:
    """Start a service on a database and with a key of its own, that is the same client of the providers."""
    same = {name: value for name, value in twin_of(service).items() if name != "database_url"}
    return start_service(**{**same, "ENCRYPTION_KEYS": ring("k2"), **settings})


def records(path: Path, passphrase: str = PASSPHRASE) -> list[tuple[Kind, Document]]:
    """Return what a file says, in its order."""
    with path.open("rb") as file:
        return [(record.kind, record.document) for record in Reader(file, passphrase, longest=2**20)]


def write(path: Path, documents: Iterable[tuple[Kind, Any]], passphrase: str = PASSPHRASE) -> Path:
    """Make a file of these records, whatever they say."""
    with path.open("wb") as file:
        writer = Writer(file, passphrase)
        for kind, document in documents:
            writer.add(kind, document)
        writer.end()
    return path


def kept(service: Service, username: str) -> dict[str, Any]:
    """Return all that is stored of a user, opened, without what is different wherever it is stored."""
    with service.app.app_context():
        user = db.session.scalars(select(User).where(User.username == username)).one()
        mine = {model: select(model).where(model.user_id == user.id) for model in (Connection, Grant)}
        return {
            "user": _columns(user),
            "connections": [
                {**_columns(row), "data": list(row.open(vault).items())}
                for row in db.session.scalars(mine[Connection].order_by(Connection.id))
            ],
            "grants": [
                {**_columns(row), "tokens": row.open(vault), "links": [_columns(link) for link in row.links]}
                for row in db.session.scalars(mine[Grant].order_by(Grant.provider))
            ],
        }


def _columns(row: User | Connection | Grant | ServiceConnection) -> dict[str, Any]:
    names = {column.key for column in row.__table__.columns} - OF_THE_ROW - UNDER_WAY
    return {name: getattr(row, name) for name in sorted(names)}
