"""Forms: read as strictly as JSON is, and shown again with what was refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response, request
from marshmallow import Schema

from app.errors import InvalidBody, LatchkeyError
from app.extensions import db

from ..errors import STATUS
from ..marks import View
from ..wire import load

PROOF = "proof"


def submits(schema: type[Schema], again: Callable[..., Response]) -> Callable[[View], View]:
    """Call the view with `body`, the form as this schema loads it.

    What is refused is shown by `again`, the page that the form stands on, as `refusal` with its status.
    """
    loader = schema()

    def decorate(view: View) -> View:
        @refusing(again)
        @wraps(view)
        def loaded(*args: Any, **kwargs: Any) -> Any:
            return view(*args, body=load(loader, fields()), **kwargs)

        return loaded

    return decorate


def refusing(again: Callable[..., Response]) -> Callable[[View], View]:
    """Show a page again where its view refuses in a word of ours. A fault of our own is no refusal."""

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            try:
                return view(*args, **kwargs)
            except LatchkeyError as word:
                if STATUS[type(word)] >= 500:
                    raise
                db.session.rollback()  # what the refused verb has left open
                page = again(*args, refusal=word, **kwargs)
                page.status_code = STATUS[type(word)]
                return page

        return wrapped

    return decorate


def fields() -> dict[str, str]:
    """Return the fields of the form, the proof aside. Raises InvalidBody for what no text may have."""
    found = {name: value for name, value in request.form.items() if name != PROOF}
    spoiled = {
        name: ["Must not have NUL characters."] for name, value in found.items() if "\0" in name + value
    }
    if spoiled:
        raise InvalidBody(details=spoiled)
    return found


def value_of(name: str) -> str:
    """Return what was sent under this name, to be shown again; "" where nothing was."""
    return request.form.get(name, "")
