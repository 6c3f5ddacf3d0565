"""The frame around the application: what is the same for every request, done where it costs least.

Each one gets an id, a bound for its database work, what log and audit say of it, and the headers of every
answer; and it is counted. The server writes the access line after that, and finds in the environment what
was said.
"""

from __future__ import annotations

from functools import partial
from secrets import token_hex
from time import perf_counter
from typing import Any

from flask import Flask

import logs
from app.models import budget
from config import Config

from . import headers, metrics, settling


def register(app: Flask, config: Config) -> None:
    serve = partial(settling.answer, app, app.wsgi_app)
    app.wsgi_app = _framed(serve, headers.dress_of(config))  # type: ignore[method-assign]


def _framed(serve: Any, dress: headers.Dress) -> Any:
    def serve_framed(environ: Any, start_response: Any) -> Any:
        begun, request_id = perf_counter(), token_hex(16)

        def start(status: str, given: list[tuple[str, str]], error: Any = None) -> Any:
            metrics.count(environ, status[:3], perf_counter() - begun)
            return start_response(status, dress(given, request_id), error)

        before = logs.bind(request_id=request_id, address=environ.get("REMOTE_ADDR", ""), actor="anonymous")
        try:
            with budget.of(budget.REQUEST) as left:
                return serve(environ, start, left)
        finally:
            environ[settling.SAID] = logs.context()
            logs.unbind(before)

    return serve_framed
