"""Whether the database is this service's: its schema, and keys that open what was sealed with them."""

from __future__ import annotations

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.extensions import db, reading, vault
from app.models import KeyCheck
from app.vault import SealBroken

_KNOWN = b"latchkey"


class StoreMismatch(Exception):
    """The database answers, and is not fit for this service. `str()` tells the operator what to do."""


def check() -> None:
    """Raise StoreMismatch unless schema and keys fit.

    A key that is new here leaves its check value; nothing else is written, and on failure nothing at all.
    """
    _check_schema()
    try:
        _check_keys()
    except IntegrityError:  # another worker has left the check value in this moment
        db.session.rollback()
        _check_keys()


def _check_schema() -> None:
    scripts = ScriptDirectory.from_config(current_app.extensions["migrate"].migrate.get_config())
    with db.engine.connect().execution_options(reads_only=True) as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    older = {script.revision for script in scripts.walk_revisions()} - {scripts.get_current_head()}
    if found is None or found in older:
        raise StoreMismatch(
            "The database schema is older than this version; run: flask --app wsgi db upgrade"
        )


def _check_keys() -> None:
    reading()
    checks = {row.key_id: row.sealed for row in db.session.scalars(select(KeyCheck))}
    db.session.rollback()
    for key_id, sealed in checks.items():
        if key_id not in vault.key_ids:
            raise StoreMismatch(
                f"ENCRYPTION_KEYS: key {key_id} has sealed what is stored and is absent; add it."
            )
        try:
            vault.open(sealed, *_place(key_id))
        except SealBroken:
            raise StoreMismatch(
                f"ENCRYPTION_KEYS: key {key_id} is not the one that sealed what is stored."
            ) from None
    if vault.primary not in checks:
        db.session.add(KeyCheck(key_id=vault.primary, sealed=vault.seal(_KNOWN, *_place(vault.primary))))
        db.session.commit()


def _place(key_id: str) -> tuple[str, ...]:
    return ("key_checks", key_id)
