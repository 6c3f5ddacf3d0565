"""The document: one operation for each route, put together from marks, schemas and tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apispec import APISpec
from flask import Flask
from marshmallow import Schema

from app.schemas.services import CallbackSchema
from app.schemas.wire import ErrorSchema
from app.version import VERSION
from config import Config

from . import data, failures, preface
from .callers import SCHEMES
from .operations import operation
from .routes import Route, routes_of
from .schemas import Taught
from .table import words_of

OPENAPI = "3.1.1"


def build(app: Flask, config: Config) -> dict[str, Any]:
    """Return the document of this application, as it is set up."""
    routes = routes_of(app)
    taught = Taught(read=_read(routes), return_to=preface.return_to(config))
    spec = APISpec(
        title="Latchkey",
        version=VERSION,
        openapi_version=OPENAPI,
        plugins=[taught],
        info={"description": preface.description(config), "license": {"name": "MIT", "identifier": "MIT"}},
        servers=[{"url": config.base_url}],
        tags=preface.tags(routes),
    )
    _add_components(spec, routes)
    for route in routes:
        spec.path(route.path, operations={route.method: operation(route, taught.knowing)})
    document: dict[str, Any] = spec.to_dict()
    schemas = document["components"]["schemas"]
    schemas["AddConnection"] = data.alternatives(schemas["AddConnection"])
    return document


def _read(routes: Iterable[Route]) -> frozenset[type[Schema]]:
    """Return the schemas of every body and query."""
    bodies = {route.marks.body.schema for route in routes if route.marks.body is not None}
    return frozenset(bodies | {route.marks.query for route in routes if route.marks.query is not None})


def _add_components(spec: APISpec, routes: Iterable[Route]) -> None:
    add = spec.components
    add.schema("Error", schema=ErrorSchema)
    add.schema("Callback", schema=CallbackSchema)
    for name, schema in {"Value": data.VALUE, **data.data_schemas()}.items():
        add.schema(name, schema)
    for name, scheme in SCHEMES.items():
        add.security_scheme(name, scheme)
    for name, header in failures.HEADERS.items():
        add.header(name, header)
    for name, example in failures.examples().items():
        add.example(name, example)
    for name, response in failures.responses(map(words_of, routes)).items():
        add.response(name, response)
