"""Runs migrations: one at a time on a database, in one transaction, never waiting long for a lock.

Where the application has a role of its own, it is given what it needs on each table, and no more.
"""

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import SQLAlchemyError

from app.extensions import db, settings
from app.models import AuditEvent, SchemaFloor, budget, engines, trouble

LOCK = 7466116  # an advisory lock of our own, so that several nodes may start at once
LONGEST = 3600.0  # seconds, for others' turns and all statements of ours together
VERSIONS = "alembic_version"
LEAST = {AuditEvent.__tablename__: "SELECT, INSERT", SchemaFloor.__tablename__: "SELECT", VERSIONS: "SELECT"}
OTHERWISE = "SELECT, INSERT, UPDATE, DELETE"
SEQUENCES = text(
    "SELECT objid::regclass::text FROM pg_depend WHERE classid = 'pg_class'::regclass AND deptype = 'a'"
    " AND refobjid = CAST(:table AS regclass) AND objid IN (SELECT oid FROM pg_class WHERE relkind = 'S')"
)


def run() -> None:
    engine = engine_of_migrations()
    with budget.of(LONGEST), engine.connect() as connection:
        options = {"render_as_batch": True, "transactional_ddl": True}  # which SQLite can do, too
        context.configure(connection=connection, target_metadata=db.metadata, **options)
        with context.begin_transaction():
            if connection.dialect.name == "postgresql":
                wait_for_our_turn(connection)
            context.run_migrations()
            if connection.dialect.name == "postgresql":
                grant(connection, role=make_url(settings.database_url).username)
        connection.commit()


def engine_of_migrations() -> Engine:
    url = settings.migration_database_url
    if make_url(url) == db.engine.url:
        return db.engine
    engine = create_engine(url, **engines.options(url))
    engines.listen(engine)
    return engine


def wait_for_our_turn(connection: Connection) -> None:
    """Take the lock, until the transaction ends, before a timeout limits how long others are waited for."""
    connection.execute(text("SET LOCAL statement_timeout = '10min'"))
    connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
    connection.execute(text("SET LOCAL lock_timeout = '10s'"))


def grant(connection: Connection, *, role: str | None) -> None:
    """Let the application's role use the tables: it may add to the audit, and change nothing of it."""
    if role is None or role == connection.scalar(text("SELECT current_user")):
        return
    quoted = connection.dialect.identifier_preparer.quote_identifier
    schema = quoted(connection.scalar(text("SELECT current_schema()")) or "public")
    connection.execute(text(f"GRANT USAGE ON SCHEMA {schema} TO {quoted(role)}"))
    for name in (*db.metadata.tables, VERSIONS):
        table = f"{schema}.{quoted(name)}"
        if connection.scalar(text("SELECT to_regclass(:table)"), {"table": table}) is None:
            continue  # a downgrade has come to an older revision
        connection.execute(text(f"REVOKE ALL ON {table} FROM {quoted(role)}"))
        connection.execute(text(f"GRANT {LEAST.get(name, OTHERWISE)} ON {table} TO {quoted(role)}"))
        for sequence in connection.scalars(SEQUENCES, {"table": table}):
            connection.execute(text(f"GRANT USAGE ON SEQUENCE {sequence} TO {quoted(role)}"))


try:
    run()
except SQLAlchemyError as error:
    if trouble.is_denial(error):
        raise CommandError(
            "This role may not change tables here: name the one that owns them in MIGRATION_DATABASE_URL."
        ) from None
    reason = trouble.of(error)
    if reason is None:
        raise
    raise CommandError(f"The database does not answer: {reason}.") from None
