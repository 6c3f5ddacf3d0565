"""Who is asking. 401 and 403 are decided here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import request
from werkzeug.exceptions import HTTPException

import logs
from app.errors import (
    AuthenticationRequired,
    CrossSiteStart,
    Forbidden,
    InsufficientScope,
    InvalidRequest,
    IssuerKeysUnavailable,
    LatchkeyError,
    OnBehalfOfMissing,
    OnBehalfOfRefused,
    StartTokenInvalid,
    TokenInvalid,
    TokenMissing,
    TokenPayloadInvalid,
)
from app.extensions import settings
from app.services import audit, bearer, service_keys, standing
from app.services.service_keys import Acting, Scope
from app.services.standing import Caller
from app.usernames import key_of

from . import limits
from .marks import Guard, View, mark

Result = TypeVar("Result")

_BEARER = re.compile(r"bearer +(.+)", re.IGNORECASE)
_BARE = re.compile(r"(?!bearer$)\S+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Sentences:
    """What one family of routes says of a bad token."""

    missing: type[LatchkeyError]
    payload: type[LatchkeyError]
    invalid: type[LatchkeyError]

    def __iter__(self) -> Iterator[type[LatchkeyError]]:
        yield from (self.missing, self.payload, self.invalid)


_API = _Sentences(TokenMissing, TokenInvalid, TokenInvalid)
_START = _Sentences(AuthenticationRequired, TokenPayloadInvalid, StartTokenInvalid)

# What else `_identify` says, of a service key that is sent where none will do, too.
_REFUSALS = (InvalidRequest, OnBehalfOfMissing, OnBehalfOfRefused, Forbidden, IssuerKeysUnavailable)


def signed_in(view: View) -> View:
    """Call the view with `caller`, told by the Authorization header: a person, never a service key."""

    @wraps(view)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return view(*args, caller=_identify(header_token(), _API, None, "default"), **kwargs)

    mark(wrapped, *_API, *_REFUSALS, guard=Guard.PERSON)
    return limits.counted_by_view(wrapped)


def authenticated(
    scope: Scope, *, limit: str | None = None, confirms: bool = False
) -> Callable[[View], View]:
    """Call the view with `caller`: a person, or a service key that has this scope and names its user.

    `limit` is the word under which the request is counted, if another than the scope's. A view that
    `confirms` asks with its own statements whether the caller still stands, and is spared one that asks only
    that.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            identify = partial(_identify, header_token(), _API, scope, limit)
            return _served(identify, lambda caller: view(*args, caller=caller, **kwargs), confirms)

        mark(
            wrapped,
            *_API,
            *_REFUSALS,
            InsufficientScope,
            guard=Guard.CALLER,
            scope=scope,
            confirms=confirms,
        )
        return limits.counted_by_view(wrapped)

    return decorate


def owner(scope: Scope, *, confirms: bool = False) -> Callable[[View], View]:
    """The same, and the `username` of the path must be the caller's own."""

    def decorate(view: View) -> View:
        @authenticated(scope, confirms=confirms)
        @wraps(view)
        def wrapped(*args: Any, caller: Caller, username: str, **kwargs: Any) -> Any:
            if key_of(username) != caller.username_key:
                standing.confirm(caller)
                audit.deny("asked for by another user", username=username)
                raise Forbidden
            return view(*args, caller=caller, **kwargs)

        return wrapped

    return decorate


def _served(identify: Callable[..., Caller], serve: Callable[[Caller], Any], confirms: bool) -> Any:
    """Serve the caller: whom it was before, and if that is not confirmed, whom it turns out to be now."""
    if not confirms:
        return serve(identify())
    known = identify(bearer.recall)
    try:
        return _confirmed(serve, known)
    except TokenInvalid:
        return serve(identify())


def _confirmed(serve: Callable[[Caller], Any], caller: Caller) -> Any:
    """Serve the caller. A view may refuse before it has asked: that, too, is told only to who stands."""
    try:
        return serve(caller)
    except TokenInvalid:
        raise
    except (LatchkeyError, HTTPException):
        standing.confirm(caller)
        raise


def starting(view: View) -> View:
    """Call the view with `caller`, told by the header or, as browsers need it, by `?token=`.

    The view confirms by itself that the caller still stands.
    """

    @wraps(view)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        identify = partial(_identify, _start_token(), _START, Scope.WRITE, "start")
        try:
            return _served(identify, lambda caller: view(*args, caller=caller, **kwargs), confirms=True)
        except TokenInvalid:
            raise StartTokenInvalid from None

    words = (*_START, *_REFUSALS, InsufficientScope, CrossSiteStart)
    mark(wrapped, *words, guard=Guard.STARTER, scope=Scope.WRITE, confirms=True)
    return limits.counted_by_view(wrapped)


def renewing(view: View) -> View:
    """Call the view with `tokens`, the pair that succeeds the refresh token of the header."""

    @wraps(view)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return view(*args, tokens=_checked(header_token(), _API, bearer.renew_login), **kwargs)

    return mark(wrapped, *_API, guard=Guard.LOGIN)


def header_token() -> str | None:
    """Return the token of `Authorization: Bearer <jwt>` or of the bare `Authorization: <jwt>`."""
    header = request.environ.get("HTTP_AUTHORIZATION", "").strip()
    if found := _BEARER.fullmatch(header):
        return found[1].strip()
    return header if _BARE.fullmatch(header) else None


def _start_token() -> str | None:
    in_header, in_query = header_token(), request.args.getlist("token")
    if settings.strict_connect or not any(in_query):
        return in_header
    if (
        len(in_query) > 1
        or service_keys.is_one(in_query[0])
        or (in_header is not None and in_header != in_query[0])
    ):
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


def _identify(
    token: str | None,
    sentences: _Sentences,
    scope: Scope | None,
    limit: str | None = None,
    judge: Callable[[str], Caller] = bearer.authenticate,
) -> Caller:
    """Return who asks, once they are counted. `scope` is what a service key needs; None: none will do."""
    on_behalf_of = _on_behalf_of()
    if token is not None and service_keys.is_one(token):
        acting = _checked(token, sentences, lambda key: service_keys.authenticate(key, on_behalf_of))
        return _acting_for(acting, on_behalf_of, scope)
    caller = _checked(token, sentences, judge)
    logs.bind(actor=f"user:{caller.shown_id}")
    if on_behalf_of is not None:
        raise OnBehalfOfRefused
    secrets = scope is Scope.READ_SECRETS
    limits.count(limit or ("secrets" if secrets else "default"), f"user:{caller.user_id}")
    return caller


def _acting_for(acting: Acting, username: str | None, scope: Scope | None) -> Caller:
    logs.bind(actor=f"service_key:{acting.key_name}")
    limits.count("service_key", f"key:{acting.key_id}")
    if username is None:
        raise OnBehalfOfMissing
    if acting.caller is None or scope is None:
        audit.deny("not for this service key", username=username)
        raise Forbidden
    if scope not in acting.scopes:
        audit.deny(f"the service key has not the scope {scope}", username=username)
        raise InsufficientScope(scope=scope)
    return acting.caller


def _on_behalf_of() -> str | None:
    """Return the name that a service key acts for, sent as UTF-8."""
    header = request.environ.get("HTTP_X_ON_BEHALF_OF", "").strip()
    if not header:
        return None
    try:
        return header.encode("latin-1").decode("utf-8") or None
    except UnicodeError:
        raise InvalidRequest from None


def _checked(token: str | None, sentences: _Sentences, judge: Callable[[str], Result]) -> Result:
    """Return what `judge` finds. Whoever has no good token is counted by address."""
    word = sentences.missing
    try:
        if token is not None:
            return judge(token)
    except TokenPayloadInvalid:
        word = sentences.payload
    except TokenInvalid:
        word = sentences.invalid
    limits.count("default", limits.address())
    raise word
