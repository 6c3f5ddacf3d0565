"""What every request passes first: its host must be ours, and the database must be fit."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from flask import Flask, request

from app.errors import NotReady, UnknownHost
from app.extensions import db
from app.services import readiness
from config import Config

log = logging.getLogger(__name__)

_PORT = re.compile(r":[0-9]+$")


def register(app: Flask, config: Config) -> None:
    app.before_request(_know_host_of(config))
    app.before_request(_be_ready_in(app))


def _know_host_of(config: Config) -> Callable[[], None]:
    ours = config.trusted_hosts

    def know_host() -> None:
        host = _PORT.sub("", request.environ.get("HTTP_HOST", "")).lower()
        if host not in ours and request.blueprint != "health":
            raise UnknownHost

    return know_host


def _be_ready_in(app: Flask) -> Callable[[], None]:
    """Compare schema and keys at first contact; until they fit, nothing is served from this database."""
    known = app.extensions

    def be_ready() -> None:
        if known.get("latchkey.ready") or request.blueprint in ("health", "metrics"):
            return
        try:
            readiness.check()
        except readiness.StoreMismatch as mismatch:
            db.session.rollback()
            log.critical(str(mismatch))
            raise NotReady from None
        known["latchkey.ready"] = True

    return be_ready
