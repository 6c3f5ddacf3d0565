"""What every view wears: which body it reads, which answer it writes. JSON in, JSON out."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Request, Response, jsonify, request
from marshmallow import EXCLUDE, Schema, ValidationError
from werkzeug.datastructures import MultiDict
from werkzeug.routing import BaseConverter

from app import strict_json
from app.errors import BodyTooLarge, InvalidBody, InvalidJson, InvalidQuery, NotJson
from app.extensions import settings
from app.schemas.dumping import dump_of
from app.schemas.wire import LARGEST_ID

from .marks import Answer, Body, View, mark


class RowId(BaseConverter):
    """The id of a row in a path. Whatever is not written as one becomes None, which no row has."""

    regex = "[^/]+"

    def to_python(self, value: str) -> Any:
        canonical = value.isascii() and value.isdigit() and value[0] != "0" and len(value) <= 19
        return int(value) if canonical and int(value) <= LARGEST_ID else None


def reads(schema: type[Schema], *, optional: bool = False) -> Callable[[View], View]:
    """Call the view with `body`, the request's JSON object as this schema loads it.

    `optional` takes a request without any body for an empty object.
    """
    loader = schema()

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            return view(*args, body=load(loader, _json(optional=optional)), **kwargs)

        words = (InvalidJson, InvalidBody, BodyTooLarge, NotJson)
        return mark(wrapped, *words, body=Body(schema, optional))

    return decorate


def reads_query(schema: type[Schema]) -> Callable[[View], View]:
    """Call the view with `query`, the request's query as this schema loads it. Other parameters pass."""
    loader = schema(unknown=EXCLUDE)
    names = [field.data_key or name for name, field in loader.fields.items()]
    without = loader.load({})  # no parameter has to be given

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            given = request.args
            is_without = not any(name in given for name in names)
            query = dict(without) if is_without else _query(loader, names, given)
            return view(*args, query=query, **kwargs)

        return mark(wrapped, InvalidQuery, query=schema)

    return decorate


def writes(schema: type[Schema], status: int = 200, *, many: bool = False) -> Callable[[View], View]:
    """Answer with what the view returns, as this schema dumps it. A finished response passes as it is."""
    dump = dump_of(schema())

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            result = view(*args, **kwargs)
            if isinstance(result, Response):
                return result
            response = jsonify([dump(one) for one in result] if many else dump(result))
            response.status_code = status
            return response

        return mark(wrapped, answer=Answer(schema, status, many))

    return decorate


def _query(loader: Schema, names: list[str], given: MultiDict[str, str]) -> dict[str, Any]:
    repeated = [name for name in names if len(given.getlist(name)) > 1]
    try:
        query: dict[str, Any] = loader.load(given.to_dict())
    except ValidationError as error:
        raise InvalidQuery(details=error.messages_dict) from None
    if repeated:
        raise InvalidQuery(details={name: ["Must be given once."] for name in repeated})
    return query


def _json(*, optional: bool) -> Any:
    asked: Request = request._get_current_object()  # type: ignore[attr-defined]
    raw = _body(asked)
    if optional and not raw:
        return {}
    if (
        asked.mimetype != "application/json"
        or asked.mimetype_params.get("charset", "utf-8").lower() != "utf-8"
    ):
        raise NotJson
    try:
        return strict_json.loads(raw)
    except ValueError:
        raise InvalidJson from None


def _body(asked: Request) -> bytes:
    """Read the body. Werkzeug cuts one that comes in chunks at its limit without a word, so ours is below."""
    most = settings.max_body_bytes
    if (asked.content_length or 0) > most:
        raise BodyTooLarge
    asked.max_content_length = most + 1
    raw = asked.get_data()  # kept: a view may be called again (caller.py)
    if len(raw) > most:
        raise BodyTooLarge
    return raw


def load(loader: Schema, document: Any) -> dict[str, Any]:
    """Return what a schema makes of a body. Raises InvalidBody, which tells what is wrong where."""
    try:
        loaded: dict[str, Any] = loader.load(document)
    except ValidationError as error:
        raise InvalidBody(details=_flat(error.messages_dict)) from None
    return loaded


def _flat(messages: dict[str, Any]) -> dict[str, list[str]]:
    """Keep {field: [sentences]}: what is wrong inside a field is told of the field."""
    return {
        str(name): [str(part) for part in (found if isinstance(found, list) else ["Is not valid."])]
        for name, found in messages.items()
    }
