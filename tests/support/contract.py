"""The document of the API, and what is held against it."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import requests

from tests.support.service import Service

Document = dict[str, Any]


def problems(document: Document, schema: Document, instance: Any) -> list[str]:
    """Return what is wrong with an instance of a schema that refers into the document."""
    whole = {**schema, "components": document["components"]}
    judge = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
    return [error.message for error in judge.iter_errors(instance)]


def followed(document: Document, part: Document) -> Document:
    found: Any = document
    for name in part.get("$ref", "#").removeprefix("#").strip("/").split("/"):
        found = found[name] if name else part
    return dict(found)


def operations(document: Document) -> list[tuple[str, str, Document]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def holds(document: Document, method: str, path: str, answer: requests.Response) -> list[str]:
    """Return in what an answer is another than the document says; `path` is as the document has it."""
    responses = document["paths"][path][method.lower()]["responses"]
    if str(answer.status_code) not in responses:
        return [f"{answer.status_code} is not told: {answer.text}"]
    told = followed(document, responses[str(answer.status_code)])
    headers = {name: followed(document, header) for name, header in told.get("headers", {}).items()}
    missing = [name for name, header in headers.items() if header["required"] and name not in answer.headers]
    if "content" not in told:
        return missing + ([answer.text] if answer.content else [])
    media_type = answer.headers["Content-Type"].split(";")[0]
    instance = answer.json() if media_type == "application/json" else answer.text
    return missing + problems(document, told["content"][media_type]["schema"], instance)


def served(service: Service) -> Document:
    """Return the document as this service serves it."""
    answer = service.call("GET", "/api/openapi.json")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    found: Document = answer.json()
    return found
