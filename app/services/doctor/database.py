"""The database: its schema, its clock, and what its roles may do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection, create_engine, select, text
from sqlalchemy.exc import SQLAlchemyError

from app.extensions import db, settings
from app.models import AuditEvent, clock, engines, now
from app.services import readiness

from .finding import Finding, ok, warning

SKEW = 5  # seconds between the database's clock and ours
ROLES = "Give migrations a role of their own in MIGRATION_DATABASE_URL, and run: flask --app wsgi db upgrade"


def examine() -> Iterator[Finding]:
    readiness.check_schema()
    yield ok("database", "It answers, and its schema is this version's.")
    with db.engine.connect().execution_options(reads_only=True) as connection:
        yield _clock(connection.scalars(select(clock())).one())
        if connection.dialect.name == "postgresql":
            yield from _roles(connection)
    if settings.migration_database_url != settings.database_url:
        yield _migrations()


def _clock(database_time: datetime) -> Finding:
    skew = abs((database_time - now()).total_seconds())
    if skew > SKEW:
        what = f"The database's clock and this machine's are {skew:.0f} seconds apart."
        return warning("clock", what, "Let both follow a time server: tokens and flows end by these clocks.")
    return ok("clock", "The database's clock and this machine's agree.")


def _roles(connection: Connection) -> Iterator[Finding]:
    mighty = connection.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"))
    if mighty:
        yield warning("roles", "The application connects as a superuser.", f"{ROLES}.")
        return
    table = AuditEvent.__tablename__
    changes = connection.scalar(
        text("SELECT has_table_privilege(:table, 'UPDATE, DELETE, TRUNCATE')"), {"table": table}
    )
    if changes:
        yield warning("roles", "The application's role can change what the audit says.", f"{ROLES}.")
    else:
        yield ok("roles", "The application's role can add to the audit, and not change it.")


def _migrations() -> Finding:
    url = settings.migration_database_url
    engine = create_engine(url, **engines.options(url))
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        what = f"The role of migrations cannot connect ({type(error).__name__})."
        return warning("migrations", what, "Check MIGRATION_DATABASE_URL before the next upgrade.")
    finally:
        engine.dispose()
    return ok("migrations", "The role of migrations can connect.")
