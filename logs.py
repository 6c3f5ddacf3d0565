"""What the processes say: one JSON object for each line on stderr, gunicorn's own lines among them.

No line holds a query, a ticket, the text of an exception or a local variable. Each of them may be a secret,
and an exception's text may quote one: PostgreSQL's tells the values of the row that it refused.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from logging.config import dictConfig
from pathlib import Path
from time import time
from traceback import walk_tb
from types import MappingProxyType
from typing import Any

ROOT = f"{Path(__file__).parent}/"
LONGEST = 1000  # characters of one text: nobody fills the disk with one request
MOST_CALLS = 40  # of one exception, the innermost ones
MOST_CAUSES = 5

for _name in ("psycopg", "redis", "sqlalchemy"):  # at DEBUG these log rows, replies and where they connect to
    logging.getLogger(_name).setLevel(logging.WARNING)

_TICKET = re.compile(r"(?<=/connect/)[^/?\s]+")
_encode = json.JSONEncoder(default=repr).encode


Context = Mapping[str, str]

_context: ContextVar[Context] = ContextVar("what each line tells", default=MappingProxyType({}))


def context() -> Context:
    """Return what each line of the work under way tells of it: `request_id`, `address`, `actor`."""
    return _context.get()


def bind(**said: str) -> Token[Context]:
    """Have the lines of this work tell this, too. What is returned takes it back: see `unbind`."""
    return _context.set({**_context.get(), **said})


def unbind(before: Token[Context]) -> None:
    _context.reset(before)


@contextmanager
def bound(**said: str) -> Iterator[None]:
    """Have the lines of this block tell this, too."""
    before = bind(**said)
    try:
        yield
    finally:
        unbind(before)


def configure() -> None:
    """Say everything as JSON from now on. Whoever has set the level to DEBUG keeps it; else it is INFO."""
    dictConfig(_SETTINGS)
    logging.root.setLevel(min(logging.root.level, logging.INFO))
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a line that cannot be written would be printed with what it was made of
    sys.excepthook = lambda _, error, __: _say_unhandled(error)
    sys.unraisablehook = lambda given: _say_unhandled(given.exc_value)
    threading.excepthook = lambda given: _say_unhandled(given.exc_value)


def _say_unhandled(error: BaseException | None) -> None:
    if not isinstance(error, SystemExit):
        logging.getLogger(__name__).critical("unhandled", exc_info=error)


class _Json(logging.Formatter):
    """Says a record in its order: when, how bad, by whom, what, in which request."""

    def format(self, record: logging.LogRecord) -> str:
        more: Mapping[str, Any] = context()
        if record.exc_info:
            more = {**more, "exception": _told(record.exc_info[1])}
        return _line(record.created, record.levelname.lower(), record.name, record.getMessage(), more)


def say_request(answered: Mapping[str, Any], told: Context) -> None:
    """Say what was answered, as a record of gunicorn.access would be said; making one costs more than that.

    Like any line, one that cannot be written is left out.
    """
    line = _line(time(), "info", "gunicorn.access", "request", {**answered, **told})
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{line}\n")


def _line(seconds: float, level: str, logger: str, event: str, more: Mapping[str, Any]) -> str:
    """Write what is said. Only where a text may be too long, or a secret, is each of them looked at."""
    said = {"time": _moment(seconds), "level": level, "logger": logger, "event": event, **more}
    line = _encode(said)
    if len(line) <= LONGEST and "?" not in line and "/connect/" not in line:
        return line
    return _encode(
        {name: _shortened(value) if isinstance(value, str) else value for name, value in said.items()}
    )


def _shortened(text: str) -> str:
    """Return a text without what may be a secret: all from the first question mark on, and tickets."""
    if "/connect/" in text:
        text = _TICKET.sub("[redacted]", text)
    if "?" in text:
        text = f"{text.partition('?')[0]}?[redacted]"
    return text[:LONGEST]


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _told(error: BaseException | None, causes: int = MOST_CAUSES) -> dict[str, Any] | None:
    """Return an exception's type, where it came through, innermost last, and what it came from."""
    if error is None or not causes:
        return None
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    calls = [
        f"{frame.f_code.co_filename.removeprefix(ROOT)}:{line} {frame.f_code.co_qualname}"
        for frame, line in walk_tb(error.__traceback__)
    ]
    kind = type(error)
    told: dict[str, Any] = {"type": f"{kind.__module__}.{kind.__qualname__}", "stack": calls[-MOST_CALLS:]}
    return told if cause is None else {**told, "cause": _told(cause, causes - 1)}


class _TypesOnly(logging.Filter):
    """Names the type of an exception that a line was to quote."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                type(one).__name__ if isinstance(one, BaseException) else one for one in record.args
            )
        return True


_SETTINGS: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"types only": {"()": _TypesOnly}},
    "formatters": {"json": {"()": _Json}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "json", "filters": ["types only"]}
    },
    "root": {"handlers": ["stderr"]},
    "loggers": {
        "alembic": {"level": "WARNING"},  # at INFO it speaks each time that the schema is compared
        **{
            name: {"handlers": [], "propagate": True}
            for name in ("gunicorn.error", "gunicorn.access", "flask.app", "py.warnings")
        },
    },
}
