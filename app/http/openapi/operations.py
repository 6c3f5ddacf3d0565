"""One operation of the document: who may call it, what it takes, what it answers."""

from __future__ import annotations

from typing import Any

from apispec.ext.marshmallow.openapi import OpenAPIConverter

from app.providers import ACCESS_WORDS
from app.schemas.wire import LARGEST_ID
from app.usernames import FORM, LONGEST

from ..marks import Body
from . import failures, preface
from .answers import ANSWERS
from .callers import security
from .examples import Examples, examples_of
from .links import LINKS
from .routes import Route
from .table import told_of, words_of

Document = dict[str, Any]

_PATH: dict[str, Document] = {
    "username": {
        "description": "Your own name; upper and lower case are the same.",
        "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": FORM},
    },
    "id": {"schema": {"type": "integer", "minimum": 1, "maximum": LARGEST_ID}},
    "service": {"schema": {"type": "string", "enum": list(ACCESS_WORDS)}},
}


def operation(route: Route, converter: OpenAPIConverter) -> Document:
    told, examples = told_of(route), examples_of(route)
    found: Document = {"operationId": route.id, "summary": told.summary, "tags": [preface.concern_of(route)]}
    if told.description:
        found["description"] = told.description
    found["security"] = security(route.marks)
    if parameters := _parameters(route, converter):
        found["parameters"] = parameters
    if route.marks.body is not None:
        found["requestBody"] = _taken(route.marks.body, examples)
    found["responses"] = {**failures.by_status(words_of(route)), **_answers(route, examples)}
    return found


def _parameters(route: Route, converter: OpenAPIConverter) -> list[Document]:
    path = [{"in": "path", "name": name, "required": True, **_PATH[name]} for name in route.parameters]
    if route.is_callback:
        return [*path, *preface.CALLBACK_PARAMETERS]
    if route.marks.query is None:
        return path
    return [*path, *converter.schema2parameters(route.marks.query(), location="query")]


def _taken(body: Body, examples: Examples) -> Document:
    content: Document = {"schema": body.schema}
    if "request" in examples:
        content["examples"] = examples["request"]
    return {"required": not body.optional, "content": {"application/json": content}}


def _answers(route: Route, examples: Examples) -> Document:
    answer = route.marks.answer
    if answer is None:
        return _with_examples(ANSWERS[route.verb], examples)
    content = {"application/json": {"schema": answer.schema(many=answer.many)}}
    found: Document = {"description": "Done", "content": content}
    if links := LINKS.get(route.id):
        found["links"] = links
    return _with_examples({str(answer.status): found}, examples)


def _with_examples(answers: Document, examples: Examples) -> Document:
    """Put the examples beside the schema of the good answer, which is the first."""
    if "answer" not in examples:
        return answers
    status, answer = next(iter(answers.items()))
    json = {**answer["content"]["application/json"], "examples": examples["answer"]}
    return {**answers, status: {**answer, "content": {**answer["content"], "application/json": json}}}
