"""python -m tests.migrations_equal_models: exit 1 when a migrated database differs from the models."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from app import create_app
from app.extensions import db
from config import Config
from tests.support.databases import migrate
from tests.support.settings import base_settings


def differences(url: str) -> list[object]:
    """Return what Alembic would still change on this migrated database."""
    app = create_app(Config.from_env({**base_settings(), "DATABASE_URL": url}))
    with app.app_context():
        with db.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            found: list[object] = compare_metadata(context, db.metadata)
        db.engine.dispose()
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'latchkey.db'}"
        migrate(url)
        found = differences(url)
    sys.exit(f"The migrations differ from the models: {found}" if found else 0)
