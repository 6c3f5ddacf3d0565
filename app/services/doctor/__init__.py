"""The doctor: whether this installation is as it should be, each finding with its remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlalchemy.exc import SQLAlchemyError

from app.extensions import db
from app.services.readiness import StoreMismatch

from . import addresses, database, grants, keys, providers, stores
from .finding import Finding, Level, problem

__all__ = ["Finding", "Level", "examine"]

_EXAMINATIONS: tuple[Callable[[], Iterator[Finding]], ...] = (
    database.examine,
    keys.examine,
    stores.examine,
    addresses.examine,
    providers.examine,
    grants.examine,
)


def examine() -> Iterator[Finding]:
    """Go through everything. What cannot be examined is a finding too."""
    for examination in _EXAMINATIONS:
        try:
            yield from examination()
        except StoreMismatch as mismatch:
            yield problem("database", str(mismatch), "Do as it says; what needs the database was left out.")
        except SQLAlchemyError as error:
            name = examination.__module__.rpartition(".")[2]
            what = f"The database does not answer ({type(error).__name__})."
            yield problem(name, what, "Check DATABASE_URL, and that the server runs.")
        finally:
            db.session.rollback()
