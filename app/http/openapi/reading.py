"""The document as the page shows it: chapters of operations, with every reference followed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .callers import told
from .fields import Field, Shape, fields_of, followed, shapes_of
from .table import BEHIND_THE_GATE, EVERYWHERE

COMMON = tuple(word.code for word in (*EVERYWHERE, *BEHIND_THE_GATE))  # said once, for all operations


@dataclass(frozen=True, slots=True)
class Error:
    code: str
    status: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Reply:
    """One good answer. `examples` are JSON, ready to be read."""

    status: str
    description: str
    media_types: Sequence[str]
    fields: Sequence[Field]
    examples: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation. `errors` are its own, without the common ones."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    callers: Sequence[str]
    parameters: Sequence[Field]
    shapes: Sequence[Shape]
    body_is_needed: bool
    requests: Mapping[str, str]
    replies: Sequence[Reply]
    errors: Sequence[Error]


@dataclass(frozen=True, slots=True)
class Chapter:
    name: str
    description: str
    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class Page:
    title: str
    version: str
    description: Sequence[str]
    server: str
    chapters: Sequence[Chapter]
    errors: Sequence[Error]
    common: Sequence[Error]


def page_of(document: dict[str, Any]) -> Page:
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    chapters = [
        Chapter(
            tag["name"],
            tag["description"],
            [_entry(document, *each) for each in operations if tag["name"] in each[2]["tags"]],
        )
        for tag in document["tags"]
    ]
    errors = [_error(document, code) for code in document["components"]["examples"]]
    return Page(
        title=document["info"]["title"],
        version=document["info"]["version"],
        description=document["info"]["description"].split("\n\n"),
        server=document["servers"][0]["url"],
        chapters=chapters,
        errors=errors,
        common=[error for error in errors if error.code in COMMON],
    )


def _entry(document: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> Entry:
    body = operation.get("requestBody", {})
    content = body.get("content", {}).get("application/json", {})
    replies = [_reply(document, *each) for each in operation["responses"].items() if "$ref" not in each[1]]
    return Entry(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=operation.get("description", ""),
        callers=[told(way) for way in operation["security"]],
        parameters=[Field.of(document, each) for each in operation.get("parameters", [])],
        shapes=shapes_of(document, content["schema"]) if content else (),
        body_is_needed=body.get("required", False),
        requests=_examples(content),
        replies=replies,
        errors=_errors(document, operation),
    )


def _reply(document: dict[str, Any], status: str, answer: dict[str, Any]) -> Reply:
    content = answer.get("content", {})
    json_content = content.get("application/json", {})
    return Reply(
        status=status,
        description=answer["description"],
        media_types=list(content),
        fields=fields_of(document, json_content.get("schema", {})),
        examples=_examples(json_content),
    )


def _examples(content: dict[str, Any]) -> dict[str, str]:
    found = content.get("examples", {})
    return {name: json.dumps(each["value"], indent=2, ensure_ascii=False) for name, each in found.items()}


def _errors(document: dict[str, Any], operation: dict[str, Any]) -> list[Error]:
    responses = [followed(document, answer) for answer in operation["responses"].values() if "$ref" in answer]
    codes = [code for answer in responses for code in answer["content"]["application/json"]["examples"]]
    return [_error(document, code) for code in codes if code not in COMMON]


def _error(document: dict[str, Any], code: str) -> Error:
    components = document["components"]
    status = components["responses"][code]["x-status"]
    return Error(code, status, components["examples"][code]["summary"])
