"""Failures of the database itself, in words for an operator. What has none here is a fault of ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg.errors import ConnectionTimeout, InsufficientPrivilege
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from .budget import TooLong


@dataclass(frozen=True, slots=True)
class Trouble:
    """`reopens`: another connection may lead to a database that is well, this one never will."""

    words: str
    reopens: bool = False


_LOST = Trouble("it cannot be reached, or was lost", reopens=True)
_SILENT = Trouble("it did not answer in time", reopens=True)

# By SQLSTATE, or by its class, which is its first two characters (PostgreSQL's documentation, appendix A).
_OF_POSTGRESQL: Mapping[str, Trouble] = {
    "08": _LOST,
    "25006": Trouble("it is read-only", reopens=True),
    "40": Trouble("two transactions were in each other's way"),
    "53": Trouble("it is short of something"),
    "53100": Trouble("its disk is full"),
    "53200": Trouble("it is out of memory"),
    "53300": Trouble("it has no connection left"),
    "55P03": Trouble("a lock was held for too long"),
    "57": Trouble("it is stopping or starting", reopens=True),
    "57014": Trouble("a statement took too long"),
    "58": Trouble("its disk fails"),
}

# By primary result code (sqlite.org/rescode.html).
_OF_SQLITE: Mapping[int, Trouble] = {
    sqlite3.SQLITE_BUSY: Trouble("another process holds its lock"),
    sqlite3.SQLITE_LOCKED: Trouble("another connection holds its lock"),
    sqlite3.SQLITE_NOMEM: Trouble("it is out of memory"),
    sqlite3.SQLITE_READONLY: Trouble("it is read-only", reopens=True),
    sqlite3.SQLITE_IOERR: Trouble("its disk fails", reopens=True),
    sqlite3.SQLITE_CORRUPT: Trouble("its file is damaged", reopens=True),
    sqlite3.SQLITE_FULL: Trouble("its disk is full"),
    sqlite3.SQLITE_CANTOPEN: Trouble("its file cannot be opened", reopens=True),
    sqlite3.SQLITE_PROTOCOL: Trouble("its file cannot be locked", reopens=True),
    sqlite3.SQLITE_NOTADB: Trouble("its file is no database", reopens=True),
}


def of(error: Exception) -> str | None:
    """Return why the database cannot serve; None where it can, and something else is wrong."""
    if isinstance(error, TooLong):
        return str(error)
    if isinstance(error, PoolTimeout):
        return "every connection is in use"
    found = judged(error.orig) if isinstance(error, DBAPIError) else None
    return found.words if found else None


def is_denial(error: Exception) -> bool:
    """Tell whether the role may not do what it was to do."""
    return isinstance(error, DBAPIError) and isinstance(error.orig, InsufficientPrivilege)


def named(error: Exception) -> str:
    """Return what a log may say of any failure: why the database cannot serve, or of which kind it is."""
    return of(error) or type(error).__name__


def judged(error: BaseException | None) -> Trouble | None:
    """Judge an error of a driver."""
    if isinstance(error, ConnectionTimeout):
        return _SILENT
    if isinstance(error, psycopg.Error) and error.sqlstate:
        return _OF_POSTGRESQL.get(error.sqlstate) or _OF_POSTGRESQL.get(error.sqlstate[:2])
    if isinstance(error, psycopg.OperationalError):  # libpq's own: no server said it
        return _LOST
    if isinstance(error, sqlite3.Error):
        return _OF_SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)  # the rest of it says which kind
    return None
