"""Who is asking. 401 and 403 are decided here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import request
from structlog.contextvars import bind_contextvars

from app.errors import (
    AuthenticationRequired,
    CrossSiteStart,
    Forbidden,
    LatchkeyError,
    StartTokenInvalid,
    TokenInvalid,
    TokenMissing,
    TokenPayloadInvalid,
)
from app.extensions import settings
from app.services import bearer
from app.services.bearer import Caller
from app.usernames import key_of

from .wire import View

Result = TypeVar("Result")

_BEARER = re.compile(r"bearer +(.+)", re.IGNORECASE)
_BARE = re.compile(r"(?!bearer$)\S+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Sentences:
    """What one family of routes says of a bad token."""

    missing: type[LatchkeyError]
    payload: type[LatchkeyError]
    invalid: type[LatchkeyError]


_API = _Sentences(TokenMissing, TokenInvalid, TokenInvalid)
_START = _Sentences(AuthenticationRequired, TokenPayloadInvalid, StartTokenInvalid)


def authenticated(view: View) -> View:
    """Call the view with `caller`, told by the Authorization header."""

    @wraps(view)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return view(*args, caller=_identify(header_token(), _API), **kwargs)

    return wrapped


def owner(view: View) -> View:
    """The same, and the `username` of the path must be the caller's own."""

    @wraps(view)
    def wrapped(*args: Any, username: str, **kwargs: Any) -> Any:
        caller = _identify(header_token(), _API)
        if key_of(username) != caller.username_key:
            raise Forbidden
        return view(*args, caller=caller, **kwargs)

    return wrapped


def starting(view: View) -> View:
    """Call the view with `caller`, told by the header or, as browsers need it, by `?token=`."""

    @wraps(view)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return view(*args, caller=_identify(_start_token(), _START), **kwargs)

    return wrapped


def renewing(view: View) -> View:
    """Call the view with `tokens`, the pair that succeeds the refresh token of the header."""

    @wraps(view)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return view(*args, tokens=_checked(header_token(), _API, bearer.renew_login), **kwargs)

    return wrapped


def header_token() -> str | None:
    """Return the token of `Authorization: Bearer <jwt>` or of the bare `Authorization: <jwt>`."""
    header = request.headers.get("Authorization", "").strip()
    if found := _BEARER.fullmatch(header):
        return found[1].strip()
    return header if _BARE.fullmatch(header) else None


def _start_token() -> str | None:
    in_header, in_query = header_token(), request.args.getlist("token")
    if settings.strict_connect or not any(in_query):
        return in_header
    if len(in_query) > 1 or (in_header is not None and in_header != in_query[0]):
        raise StartTokenInvalid
    if in_header is None:
        _refuse_other_sites()
    return in_query[0]


def _refuse_other_sites() -> None:
    """A link on another's page would tie its visitor's account to whoever's token it carries."""
    if request.headers.get("Sec-Fetch-Site") != "cross-site":
        return
    parts = urlsplit(request.headers.get("Referer", ""))
    if f"{parts.scheme}://{parts.netloc}" not in settings.cors_origins:
        raise CrossSiteStart


def _identify(token: str | None, sentences: _Sentences) -> Caller:
    caller = _checked(token, sentences, bearer.authenticate)
    bind_contextvars(actor=f"user:{caller.user_id}")
    return caller


def _checked(token: str | None, sentences: _Sentences, judge: Callable[[str], Result]) -> Result:
    if token is None:
        raise sentences.missing
    try:
        return judge(token)
    except TokenPayloadInvalid:
        raise sentences.payload from None
    except TokenInvalid:
        raise sentences.invalid from None
