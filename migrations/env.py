"""Runs migrations: one at a time on a database, in one transaction, never waiting long for a lock."""

from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection, make_url

from app.extensions import db, settings
from app.models import engines

LOCK = 7466116  # an advisory lock of our own, so that several nodes may start at once


def run() -> None:
    url = settings.migration_database_url
    engine = db.engine
    if make_url(url) != engine.url:
        engine = create_engine(url, **engines.options(url))
        engines.listen(engine)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=db.metadata, render_as_batch=True)
        with context.begin_transaction():
            if connection.dialect.name == "postgresql":
                wait_for_our_turn(connection)
            context.run_migrations()
        connection.commit()


def wait_for_our_turn(connection: Connection) -> None:
    """Take the lock, until the transaction ends, before a timeout limits how long others are waited for."""
    connection.execute(text("SET LOCAL statement_timeout = '10min'"))
    connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
    connection.execute(text("SET LOCAL lock_timeout = '10s'"))


run()
