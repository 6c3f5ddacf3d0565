"""What every answer says to browsers and caches."""

from __future__ import annotations

from flask import Flask, Response, request
from structlog.contextvars import get_contextvars

from app.extensions import settings

API_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action {}"
)


def register(app: Flask) -> None:
    app.after_request(_dress)


def allow_form_to(response: Response, *origins: str) -> Response:
    """Let the page's form lead to these origins: browsers judge the redirects of a form too."""
    response.headers["Content-Security-Policy"] = PAGE_POLICY.format(" ".join(("'self'", *origins)))
    return response


def _dress(response: Response) -> Response:
    headers = response.headers
    if response.calculate_content_length() == 0:
        headers.pop("Content-Type", None)  # Flask's default says HTML, and there is nothing in it
    is_page = response.mimetype == "text/html"
    headers.setdefault("Content-Security-Policy", PAGE_POLICY.format("'none'") if is_page else API_POLICY)
    headers["Referrer-Policy"] = "no-referrer"
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if request.endpoint != "static":
        headers["Cache-Control"] = "no-store"  # most answers hold a secret, a state or a ticket
    if settings.over_tls:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    headers["X-Request-Id"] = str(get_contextvars().get("request_id", ""))
    return response
