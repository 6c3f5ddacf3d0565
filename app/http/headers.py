"""What every answer says to browsers and caches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

from flask import Response
from werkzeug.datastructures import Headers

from config import Config

Dress = Callable[[list[tuple[str, str]], str], list[tuple[str, str]]]

API_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action {}"
)


class Ready(Response):
    """An answer whose headers are as they will be sent, and after which nothing is to be closed.

    An address in them must be written as it has to be: in ASCII, with whatever is odd escaped.
    """

    default_mimetype = None

    def __init__(self, body: bytes, *headers: tuple[str, str], status: int = 200) -> None:
        super().__init__([body], status, Headers([*headers, ("Content-Length", str(len(body)))]))

    def get_wsgi_headers(self, environ: Any) -> Headers:
        return self.headers

    def get_app_iter(self, environ: Any) -> Iterable[bytes]:
        is_left_out = environ["REQUEST_METHOD"] == "HEAD" or self.status_code == 304
        return () if is_left_out else cast("list[bytes]", self.response)


def allow_form_to(response: Response, *origins: str) -> Response:
    """Let the page's form lead to these origins: browsers judge the redirects of a form too."""
    response.headers["Content-Security-Policy"] = PAGE_POLICY.format(" ".join(("'self'", *origins)))
    return response


def dress_of(config: Config) -> Dress:
    """Return what gives the headers of an answer, and the request's id, those that every answer has."""
    always = [
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
    ]
    if config.over_tls:
        always.append(("Strict-Transport-Security", "max-age=31536000"))

    def dress(given: list[tuple[str, str]], request_id: str) -> list[tuple[str, str]]:
        named = dict(given)
        if named.get("Content-Length") == "0":  # Flask's default says HTML, and there is nothing in it
            named.pop("Content-Type", None)
            given = [pair for pair in given if pair[0] != "Content-Type"]
        if "Content-Security-Policy" not in named:
            is_page = named.get("Content-Type", "").startswith("text/html")
            given.append(("Content-Security-Policy", PAGE_POLICY.format("'none'") if is_page else API_POLICY))
        if "Cache-Control" not in named:  # files have their own; most answers hold a secret or a state
            given.append(("Cache-Control", "no-store"))
        return [*given, *always, ("X-Request-Id", request_id)]

    return dress
