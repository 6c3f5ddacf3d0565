"""Answers in the form of RFC 6749: token replies and flat errors."""

from collections.abc import Mapping

from flask import jsonify, make_response
from flask.typing import ResponseReturnValue

from sandbox.engine.refusal import Reason, Refusal

Wording = Mapping[Reason, tuple[int, str, str]]


def reply(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> ResponseReturnValue:
    """JSON that no cache keeps."""
    return make_response(jsonify(body), status, {"Cache-Control": "no-store", **(headers or {})})


def error(status: int, code: str, description: str = "") -> ResponseReturnValue:
    body = {"error": code, "error_description": description} if description else {"error": code}
    return reply(body, status)


def worded(wording: Wording, refusal: Refusal) -> ResponseReturnValue:
    """The provider's words for a refusal; ``{}`` in them is the detail."""
    status, code, description = wording.get(refusal.reason, (400, "invalid_request", "Invalid request"))
    return error(status, code, description.format(refusal.detail))
