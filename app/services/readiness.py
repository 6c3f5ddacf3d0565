"""Whether the database is this service's: its schema, and keys that open what was sealed with them."""

from __future__ import annotations

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy import delete, false, select
from sqlalchemy.exc import IntegrityError

from app.extensions import db, reading, vault
from app.models import BrowserSession, KeyCheck, SchemaFloor
from app.vault import SealBroken


class StoreMismatch(Exception):
    """The database answers, and is not fit for this service. `str()` tells the operator what to do."""


def check() -> None:
    """Raise StoreMismatch unless schema and keys fit.

    A key that is to seal here for the first time leaves its check value; nothing else is written, and on
    failure nothing at all.
    """
    if vault.primary in compare():
        return
    try:
        db.session.add(KeyCheck.of_primary(vault))
        db.session.commit()
    except IntegrityError:  # another worker has left the check value in this moment
        db.session.rollback()
        compare()


def compare() -> frozenset[str]:
    """Return the ids of the keys that seal here. Writes nothing. Raises StoreMismatch as `check` does."""
    check_schema()
    return _compare_keys()


def check_schema() -> None:
    """Raise StoreMismatch where the schema is older than this version, or later and broken with it."""
    scripts = ScriptDirectory.from_config(current_app.extensions["migrate"].migrate.get_config())
    known = {script.revision for script in scripts.walk_revisions()}
    with db.engine.connect().execution_options(reads_only=True) as connection:
        found = MigrationContext.configure(connection).get_current_revision()
        if found is None or found in known - {scripts.get_current_head()}:
            raise StoreMismatch(
                "The database schema is older than this version; run: flask --app wsgi db upgrade"
            )
        if connection.scalar(select(SchemaFloor.revision)) not in known:
            raise StoreMismatch(
                "The database schema is of a later version that breaks this one; install that version."
            )


def check_writing() -> None:
    """Change nothing, as something that writes: a database that is read-only or locked refuses."""
    db.session.execute(delete(BrowserSession).where(false()))
    db.session.rollback()


def _compare_keys() -> frozenset[str]:
    reading()
    checks = db.session.scalars(select(KeyCheck)).all()
    for check in checks:
        _compare(check)
    key_ids = frozenset(check.key_id for check in checks)
    db.session.rollback()
    return key_ids


def _compare(check: KeyCheck) -> None:
    if check.key_id not in vault.key_ids:
        raise StoreMismatch(
            f"ENCRYPTION_KEYS: key {check.key_id} has sealed what is stored and is absent; add it."
        )
    try:
        check.open(vault)
    except SealBroken:
        raise StoreMismatch(
            f"ENCRYPTION_KEYS: key {check.key_id} is not the one that sealed what is stored."
        ) from None
