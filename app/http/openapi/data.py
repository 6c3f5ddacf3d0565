"""The data of typed connections as JSON Schema, read off the declarations of the types."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from app.connection_types import CONNECTION_TYPES, ConnectionType
from app.connection_types.declaration import Field, Kind

from .schemas import NO_NUL

_MASK = {"type": "string", "pattern": "^-{3,}$"}  # it stands for what is stored, and nothing is yet
# What Python's \s is in a class, and NUL: ECMA-262 has another one.
_SPACE = r"\u0000\t-\r\u001c- \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_TEXT = {"type": "string", "pattern": NO_NUL}
_KINDS: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: {**_TEXT, "minLength": 1},
    Kind.PORT: {"type": "integer", "minimum": 1, "maximum": 65535},
    Kind.FLAG: {"type": "boolean"},
    Kind.TEXTS: {"type": "array", "items": _TEXT},
    Kind.TEXT_MAP: {
        "type": "object",
        "propertyNames": {"pattern": NO_NUL},
        "additionalProperties": _TEXT,
    },
}
_VALUE = {"$ref": "#/components/schemas/Value"}

# Anything that JSON can say, 32 levels deep in all.
VALUE: dict[str, Any] = {
    "description": "Any JSON. Without NUL, lone surrogates and numbers that no float can hold.",
    "anyOf": [
        _TEXT,
        {"type": ["number", "boolean", "null"]},
        {"type": "array", "items": _VALUE},
        {"type": "object", "propertyNames": {"pattern": NO_NUL}, "additionalProperties": _VALUE},
    ],
}


def alternatives(base: dict[str, Any]) -> dict[str, Any]:
    """Return what `add` takes: an object of these properties for each type, with that type's own data."""
    kinds = [_alternative(base, known) for known in CONNECTION_TYPES]
    return {"description": "Which `data` is right depends on the `type`.", "oneOf": kinds}


def data_schemas() -> dict[str, Any]:
    """Return a schema by name for the data of each type."""
    return {name_of(known): _data(known) for known in CONNECTION_TYPES}


def name_of(known: ConnectionType) -> str:
    return f"Data.{known.name}"


def _alternative(base: dict[str, Any], known: ConnectionType) -> dict[str, Any]:
    own = {
        "type": {"type": "string", "enum": [known.name, *known.words]},
        "data": {"$ref": f"#/components/schemas/{name_of(known)}"},
    }
    return {**base, "title": known.name, "properties": {**base["properties"], **own}}


def _data(known: ConnectionType) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {field.name: _nullable(_value(field)) for field in known.fields},
        "propertyNames": {"minLength": 1, "maxLength": 255, "pattern": NO_NUL},
        "additionalProperties": {"allOf": [_VALUE], "not": _MASK},
        "allOf": [_needed(known)],
    }


def _value(field: Field) -> dict[str, Any]:
    kind = _KINDS[field.kind]
    if field.pattern is not None:
        kind = {**kind, "pattern": f"^(?:{field.pattern})$".replace(r"\s", _SPACE)}
    return {**kind, "not": _MASK} if field.secret and field.kind is Kind.TEXT else kind


def _nullable(value: dict[str, Any]) -> dict[str, Any]:
    return {**value, "type": [value["type"], "null"]}


def _needed(known: ConnectionType) -> dict[str, Any]:
    """Say which fields there must be: each that is required, one of a group, or a lone one by itself."""
    required = [field for field in known.fields if field.required]
    whole = _present(required) if required else {}
    if known.one_of:
        whole = {**whole, "anyOf": [_present(f for f in known.fields if f.name == n) for n in known.one_of]}
    if known.alone is None:
        return whole or {"not": {"additionalProperties": {"type": "null"}}}
    lone = _present(field for field in known.fields if field.name == known.alone)
    return {"anyOf": [whole, {**lone, "additionalProperties": {"type": "null"}}]}


def _present(fields: Iterable[Field]) -> dict[str, Any]:
    """Say that these are there and not null."""
    present = {field.name: {"type": _KINDS[field.kind]["type"]} for field in fields}
    return {"required": list(present), "properties": present}
