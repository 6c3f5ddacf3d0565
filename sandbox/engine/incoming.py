"""Reading what a client sent: form or JSON fields, required fields, the bearer token."""

from collections.abc import Mapping

from flask import request

from sandbox.engine.refusal import Reason, Refusal

FORM = "application/x-www-form-urlencoded"


def form() -> dict[str, str]:
    """The fields of a form body; any other content type is refused."""
    if request.mimetype != FORM:
        raise Refusal(Reason.FORM_REQUIRED)
    return request.form.to_dict()


def query_and_form() -> dict[str, str]:
    """For a provider that takes its parameters from either, whatever the method."""
    return {**request.args.to_dict(), **request.form.to_dict()}


def json_object() -> dict[str, str]:
    """The fields of a JSON body; one that is not an object has none."""
    body = request.get_json(silent=True)
    return {name: str(value) for name, value in body.items()} if isinstance(body, dict) else {}


def required(parameters: Mapping[str, str], name: str) -> str:
    value = parameters.get(name, "")
    if not value:
        raise Refusal(Reason.FIELD_MISSING, name)
    return value


def bearer(*schemes: str) -> str:
    """The value of ``Authorization: Bearer …``, or empty."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() in (schemes or ("bearer",)) else ""
