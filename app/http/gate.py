"""What every request passes first: it gets an id, its host must be ours, and the database must be fit."""

from __future__ import annotations

import logging
import re
import uuid
from typing import Any

from flask import Flask, current_app, request
from structlog.contextvars import bound_contextvars, get_contextvars

from app.errors import NotReady, UnknownHost
from app.extensions import db, settings
from app.models import budget
from app.services import readiness

log = logging.getLogger(__name__)


def register(app: Flask) -> None:
    app.wsgi_app = _framed(app.wsgi_app)  # type: ignore[method-assign]
    app.before_request(_know_host)
    app.before_request(_be_ready)


def _framed(serve: Any) -> Any:
    """Give a request what ends with it: a bound for its database work, and what log and audit say of it.

    The server writes the access line after that, and finds in the environment what was said.
    """

    def serve_framed(environ: Any, start_response: Any) -> Any:
        said = {
            "request_id": uuid.uuid4().hex,
            "address": environ.get("REMOTE_ADDR", ""),
            "actor": "anonymous",
        }
        with budget.of(budget.REQUEST), bound_contextvars(**said):
            try:
                return serve(environ, start_response)
            finally:
                environ["latchkey.said"] = get_contextvars()

    return serve_framed


def _know_host() -> None:
    host = re.sub(r":[0-9]+$", "", request.environ.get("HTTP_HOST", "")).lower()
    if request.blueprint != "health" and host not in settings.trusted_hosts:
        raise UnknownHost


def _be_ready() -> None:
    """Compare schema and keys at first contact; until they fit, nothing is served from this database."""
    if request.blueprint in ("health", "metrics") or current_app.extensions.get("latchkey.ready"):
        return
    try:
        readiness.check()
    except readiness.StoreMismatch as mismatch:
        db.session.rollback()
        log.critical(str(mismatch))
        raise NotReady from None
    current_app.extensions["latchkey.ready"] = True
