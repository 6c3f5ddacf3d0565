"""The document: one operation for each route, put together from marks, schemas and tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask

from app.providers import ACCESS_WORDS
from app.schemas.services import CallbackSchema
from app.schemas.wire import LARGEST_ID, ErrorSchema
from app.usernames import FORM, LONGEST
from app.version import VERSION
from config import Config

from . import data, failures, preface
from .answers import ANSWERS
from .callers import SCHEMES, security
from .examples import EXAMPLES
from .links import LINKS
from .routes import Route, routes_of
from .schemas import plugin_for, teach
from .table import told_of, words_of

_PATH: dict[str, dict[str, Any]] = {
    "username": {
        "description": "Your own name; upper and lower case are the same.",
        "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": FORM},
    },
    "id": {"schema": {"type": "integer", "minimum": 1, "maximum": LARGEST_ID}},
    "service": {"schema": {"type": "string", "enum": list(ACCESS_WORDS)}},
}


def build(app: Flask, config: Config) -> dict[str, Any]:
    """Return the document of this application, as it is set up."""
    routes = routes_of(app)
    plugin = plugin_for(_read(routes))
    spec = APISpec(
        title="Latchkey",
        version=VERSION,
        openapi_version="3.1.1",
        plugins=[plugin],
        info={
            "description": preface.description(config),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        servers=[{"url": config.public_url}],
        tags=preface.tags(routes),
    )
    teach(_converter(plugin))
    _add_components(spec)
    for name, response in failures.responses(map(words_of, routes)).items():
        spec.components.response(name, response)
    for route in routes:
        spec.path(route.path, operations={route.method: _operation(plugin, route)})
    document: dict[str, Any] = spec.to_dict()
    schemas = document["components"]["schemas"]
    schemas["AddConnection"] = data.alternatives(schemas["AddConnection"])
    return document


def _read(routes: Iterable[Route]) -> Iterable[Any]:
    for route in routes:
        yield from filter(None, (route.marks.body and route.marks.body.schema, route.marks.query))


def _converter(plugin: MarshmallowPlugin) -> Any:
    return plugin.converter


def _add_components(spec: APISpec) -> None:
    components = spec.components
    components.schema("Error", schema=ErrorSchema)
    components.schema("Callback", schema=CallbackSchema)
    for name, schema in {"Value": data.VALUE, **data.data_schemas()}.items():
        components.schema(name, schema)
    for name, scheme in SCHEMES.items():
        components.security_scheme(name, scheme)
    for name, header in failures.HEADERS.items():
        components.header(name, header)
    for name, example in failures.examples().items():
        components.example(name, example)


def _operation(plugin: MarshmallowPlugin, route: Route) -> dict[str, Any]:
    told = told_of(route)
    operation: dict[str, Any] = {
        "operationId": route.id,
        "summary": told.summary,
        "tags": [preface.concern_of(route)],
        "security": security(route.marks),
    }
    if told.description:
        operation["description"] = told.description
    if parameters := _parameters(plugin, route):
        operation["parameters"] = parameters
    if route.marks.body is not None:
        operation["requestBody"] = _body(route)
    operation["responses"] = {**failures.by_status(words_of(route)), **_answers(route)}
    return operation


def _parameters(plugin: MarshmallowPlugin, route: Route) -> list[dict[str, Any]]:
    path = [{"in": "path", "name": name, "required": True, **_PATH[name]} for name in route.parameters]
    if route.verb.startswith("callback"):
        return [*path, *preface.CALLBACK_PARAMETERS]
    if route.marks.query is None:
        return path
    return [*path, *_converter(plugin).schema2parameters(route.marks.query(), location="query")]


def _body(route: Route) -> dict[str, Any]:
    body = route.marks.body
    assert body is not None  # noqa: S101 - the caller looked
    content: dict[str, Any] = {"schema": body.schema}
    if examples := EXAMPLES.get(route.verb, {}).get("request"):
        content["examples"] = examples
    return {"required": not body.optional, "content": {"application/json": content}}


def _answers(route: Route) -> dict[str, Any]:
    if route.marks.answer is None:
        return _with_examples(ANSWERS[route.verb], route)
    answer = route.marks.answer
    content = {"schema": answer.schema(many=answer.many)}
    found: dict[str, Any] = {"description": "Done", "content": {"application/json": content}}
    if links := LINKS.get(route.id):
        found["links"] = links
    return _with_examples({str(answer.status): found}, route)


def _with_examples(answers: dict[str, Any], route: Route) -> dict[str, Any]:
    """Put the examples of an operation beside the schema of its good answer."""
    found = EXAMPLES.get(f"{route.service.name}.{route.verb}" if route.service else "") or EXAMPLES.get(route.verb, {})
    if "answer" not in found:
        return answers
    status, answer = next(iter(answers.items()))
    content = answer["content"]
    told = {**content["application/json"], "examples": found["answer"]}
    return {**answers, status: {**answer, "content": {**content, "application/json": told}}}
