"""The database: its schema, its clock, and what its roles may do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, select, text
from sqlalchemy.exc import SQLAlchemyError

from app.extensions import db, settings
from app.models import AuditEvent, clock, engines, now
from app.services import readiness

from .finding import Finding, ok, problem, warning

SKEW = 5  # seconds between the database's clock and ours
ROLES = "Give migrations a role of their own in MIGRATION_DATABASE_URL, and run: flask --app wsgi db upgrade"

_TOO_MUCH = (
    (
        "SELECT rolsuper FROM pg_roles WHERE rolname = current_user",
        "The application connects as a superuser.",
    ),
    (
        "SELECT bool_or(pg_has_role(relowner, 'MEMBER')) FROM pg_class"
        " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace",
        "The application's role owns tables: it can change them, and what the audit says.",
    ),
    (
        "SELECT has_table_privilege(:audit, 'UPDATE, DELETE, TRUNCATE')",
        "The application's role can change what the audit says.",
    ),
    (
        "SELECT has_schema_privilege(current_schema(), 'CREATE')",
        "The application's role can make tables.",
    ),
)


def examine() -> Iterator[Finding]:
    readiness.check_schema()
    yield ok("database", "It answers, and its schema is this version's.")
    with db.engine.connect().execution_options(reads_only=True) as connection:
        yield _clock(connection.scalars(select(clock())).one())
        if connection.dialect.name == "postgresql":
            yield from _roles(connection)
        revision = MigrationContext.configure(connection).get_current_revision()
    if settings.migration_database_url != settings.database_url:
        yield _migrations(revision)


def _clock(database_time: datetime) -> Finding:
    skew = abs((database_time - now()).total_seconds())
    if skew > SKEW:
        what = f"The database's clock and this machine's are {skew:.0f} seconds apart."
        return warning("clock", what, "Let both follow a time server: tokens and flows end by these clocks.")
    return ok("clock", "The database's clock and this machine's agree.")


def _roles(connection: Connection) -> Iterator[Finding]:
    for question, what in _TOO_MUCH:
        if connection.scalar(text(question), {"audit": AuditEvent.__tablename__}):
            yield warning("roles", what, f"{ROLES}.")
            return
    yield ok("roles", "The application's role can add to the audit, and not change it.")


def _migrations(revision: str | None) -> Finding:
    """Look whether the other role can connect, and finds this database, which is at this revision."""
    url = settings.migration_database_url
    engine = create_engine(url, **engines.options(url))
    try:
        with engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError as error:
        what = f"The role of migrations cannot connect ({type(error).__name__})."
        return warning("migrations", what, "Check MIGRATION_DATABASE_URL before the next upgrade.")
    finally:
        engine.dispose()
    if found != revision:
        what = "The role of migrations finds another database than the application."
        return problem("migrations", what, "Let MIGRATION_DATABASE_URL and DATABASE_URL name the same one.")
    return ok("migrations", "The role of migrations can connect.")
