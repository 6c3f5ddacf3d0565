"""From our words for failure to HTTP: one table of numbers, one shape of JSON. No view contains a `try`."""

from __future__ import annotations

import logging

from flask import Flask, Response, jsonify, render_template, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

import logs
from app import errors
from app.errors import LatchkeyError
from app.models import trouble
from app.schemas.dumping import dump_of
from app.schemas.wire import ErrorSchema

from .remedies import remedy_for

log = logging.getLogger(__name__)

_dump = dump_of(ErrorSchema())

STATUS: dict[type[LatchkeyError], int] = {
    errors.InvalidRequest: 400,
    errors.InvalidJson: 400,
    errors.InvalidBody: 400,
    errors.InvalidQuery: 400,
    errors.UnknownHost: 400,
    errors.UnknownConnectionType: 400,
    errors.InvalidData: 400,
    errors.InvalidSession: 400,
    errors.MissingCodeOrState: 400,
    errors.InvalidOAuthState: 400,
    errors.OAuthError: 400,
    errors.UnknownService: 400,
    errors.OnBehalfOfMissing: 400,
    errors.OnBehalfOfRefused: 400,
    errors.ReturnToNotAllowed: 400,
    errors.TokenMissing: 401,
    errors.TokenInvalid: 401,
    errors.AuthenticationRequired: 401,
    errors.StartTokenInvalid: 401,
    errors.TokenPayloadInvalid: 401,
    errors.InvalidCredentials: 401,
    errors.Forbidden: 403,
    errors.CrossSiteStart: 403,
    errors.FormExpired: 403,
    errors.InsufficientScope: 403,
    errors.WrongPassword: 403,
    errors.NotFound: 404,
    errors.UserNotFound: 404,
    errors.ServiceKeyNotFound: 404,
    errors.LegacyTokenNotFound: 404,
    errors.ConnectionNotFound: 404,
    errors.ServiceNotFound: 404,
    errors.ServiceNotConnected: 404,
    errors.MethodNotAllowed: 405,
    errors.UsernameTaken: 409,
    errors.EmailTaken: 409,
    errors.ServiceKeyTaken: 409,
    errors.TooManyConnections: 409,
    errors.AccountMismatch: 409,
    errors.ReconnectRequired: 409,
    errors.TicketExpired: 410,
    errors.BodyTooLarge: 413,
    errors.NotJson: 415,
    errors.TooManyAttempts: 429,
    errors.TooManyRequests: 429,
    errors.InternalError: 500,
    errors.SecretUnreadable: 500,
    errors.OAuthFailed: 500,
    errors.TokenExchangeFailed: 500,
    errors.ServiceNotConfigured: 503,
    errors.TokenUnavailable: 503,
    errors.ProviderBusy: 503,
    errors.StorageUnavailable: 503,
    errors.SessionsUnavailable: 503,
    errors.IssuerKeysUnavailable: 503,
    errors.NotReady: 503,
}

_WORD_OF_STATUS: dict[int, type[LatchkeyError]] = {
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    413: errors.BodyTooLarge,
    415: errors.NotJson,
    429: errors.TooManyRequests,
}

_RETRY_AFTER = 5  # seconds, where a part of ours does not answer


def register(app: Flask) -> None:
    app.register_error_handler(LatchkeyError, _say)
    app.register_error_handler(HTTPException, _say_http)
    app.register_error_handler(SQLAlchemyError, _say_database)
    app.register_error_handler(Exception, _say_anything)
    logging.getLogger(app.name).addFilter(_is_unforeseen)


def answer(word: LatchkeyError) -> Response:
    """Return the one JSON shape of a failure, with the headers that its status asks for."""
    document: dict[str, object] = {"error": str(word), "code": word.code}
    if word.details is not None:
        document["details"] = word.details
    return _dressed(jsonify(_dump(document)), word)


def _say(word: LatchkeyError) -> Response:
    return _dressed(Response(_page(word)), word) if wants_page() else answer(word)


def wants_page() -> bool:
    """Tell whether to answer with a page: a lost person gets one, a program under /api never."""
    return not request.path.startswith("/api") and bool(
        request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"
    )


def _page(word: LatchkeyError) -> str:
    request_id = logs.context().get("request_id", "")
    text = remedy_for(word, STATUS[type(word)], request_id)
    return render_template("message.html", title=str(word), text=text)


def _dressed(response: Response, word: LatchkeyError) -> Response:
    response.status_code = STATUS[type(word)]
    if response.status_code == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if response.status_code == 503 or word.retry_after is not None:
        response.headers["Retry-After"] = str(word.retry_after or _RETRY_AFTER)
    return response


def _say_http(error: HTTPException) -> Response:
    """Say werkzeug's refusals in our words, and keep what its headers tell, such as Allow."""
    original = getattr(error, "original_exception", None)
    if isinstance(original, LatchkeyError):  # raised after the view, while the session was saved
        return _say(original)
    status = error.code or 500
    word = _WORD_OF_STATUS.get(status, errors.InvalidRequest if status < 500 else errors.InternalError)
    response = _say(word())
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value
    return response


def _is_unforeseen(record: logging.LogRecord) -> bool:
    """Flask logs what is raised after the view with its traceback: a session that is not saved is no news."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, LatchkeyError)


def _say_database(error: SQLAlchemyError) -> Response:
    """A database that cannot serve is no fault of the request; anything else is a fault of ours."""
    reason = trouble.of(error)
    if reason is None:
        return _say_anything(error)
    log.error("the database does not answer: %s", reason)
    return _say(errors.StorageUnavailable())


def _say_anything(error: Exception) -> Response:
    log.error("unhandled", exc_info=error)
    return _say(errors.InternalError())
