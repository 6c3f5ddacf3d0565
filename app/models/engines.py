"""How each kind of database is reached: options, bounded waiting, and what is looked at before use."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from sqlalchemy import Engine, QueuePool, event
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util.queue import Queue

from . import budget, postgresql, sqlite, trouble
from .direct import Direct

_LONGEST_QUEUE = 3.0  # seconds, for a connection that another thread gives back


class _Line(Queue[ConnectionPoolEntry]):
    """Where threads wait for a free connection, no longer than what is left of their budget."""

    def get(self, block: bool = True, timeout: float | None = None) -> ConnectionPoolEntry:
        if not block:
            return super().get(block)
        with budget.current() as seconds:
            return super().get(block, min(seconds, timeout or _LONGEST_QUEUE))


class BoundedPool(QueuePool):
    _queue_class = _Line


_POOL = {
    "poolclass": BoundedPool,
    "pool_size": 8,  # a connection for each thread of a worker
    "max_overflow": 2,  # a thread that saves a session needs another one, and must not wait for its like
    "pool_timeout": _LONGEST_QUEUE,
    "pool_use_lifo": True,  # what the connection that was used last has read is still at hand
}


def options(url: str) -> dict[str, Any]:
    """Return the options of `create_engine` for this URL."""
    if not _is_sqlite(url):
        return postgresql.OPTIONS | _POOL
    return sqlite.OPTIONS | _POOL if sqlite.file_of(url) else dict(sqlite.OPTIONS)


def make_private_file(url: str) -> None:
    """Make SQLite's file before SQLite does: 0600 in a folder of 0700."""
    path = sqlite.file_of(url) if _is_sqlite(url) else None
    if path is None:
        return
    with suppress(OSError):  # a volume that is not there yet is a database that does not answer yet
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Only where there is none: to close a file ends the locks that this process has on it.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def listen(engine: Engine) -> Direct:
    """Bound what this engine's connections wait for, and replace those that are of no use any more.

    Returns what runs statements on them without a session.
    """
    event.listen(engine, "handle_error", _replace_connection)
    return Direct(engine, (sqlite if engine.dialect.name == "sqlite" else postgresql).listen(engine))


def _replace_connection(context: ExceptionContext) -> None:
    found = trouble.judged(context.original_exception)
    if found is not None and found.reopens:
        context.is_disconnect = True


def _is_sqlite(url: str) -> bool:
    return make_url(url).get_backend_name() == "sqlite"
