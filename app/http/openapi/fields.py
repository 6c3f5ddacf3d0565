"""Fields and their bounds in words, read off JSON Schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_TYPES = {
    "array": "list",
    "boolean": "true or false",
    "integer": "whole number",
    "null": "null",
    "number": "number",
    "object": "object",
    "string": "text",
}
_FORMATS = {"date-time": "moment", "email": "email address", "uri": "URL"}
_UNITS = (("Length", " characters"), ("imum", ""))


@dataclass(frozen=True, slots=True)
class Field:
    """`bounds` is what may stand there, in words; `place` is where, if not in a body."""

    name: str
    bounds: str
    needed: bool
    place: str = ""
    description: str = ""

    @classmethod
    def of(cls, document: dict[str, Any], parameter: dict[str, Any]) -> Field:
        """Return what a parameter of an operation is."""
        return cls(
            parameter["name"],
            bounds_of(followed(document, parameter["schema"])),
            parameter.get("required", False),
            parameter["in"],
            parameter.get("description", ""),
        )


@dataclass(frozen=True, slots=True)
class Shape:
    """One of the shapes that a body may have; most bodies have one, without a title."""

    title: str
    fields: Sequence[Field]


def followed(document: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Return what a part of the document is, or is a reference to."""
    if "$ref" not in part:
        return part
    found: Any = document
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return {**found, **{name: value for name, value in part.items() if name != "$ref"}}


def shapes_of(document: dict[str, Any], schema: dict[str, Any]) -> list[Shape]:
    schema = followed(document, schema)
    if "properties" in schema:
        return [Shape("", fields_of(document, schema))]
    alternatives = [followed(document, each) for each in schema["oneOf"]]
    return [Shape(each["title"], fields_of(document, each)) for each in alternatives]


def fields_of(document: dict[str, Any], schema: dict[str, Any], prefix: str = "") -> list[Field]:
    """Return the fields of an object and of what is in it: `a.b` in an object, `a[].b` in a list."""
    schema = followed(document, schema)
    if "items" in schema:
        return fields_of(document, schema["items"], f"{prefix}[]")
    if "oneOf" in schema and "properties" not in schema:
        found = [field for each in schema["oneOf"] for field in fields_of(document, each, prefix)]
        return list({field.name: field for field in found}.values())
    return list(_fields(document, schema, prefix))


def _fields(document: dict[str, Any], schema: dict[str, Any], prefix: str) -> Iterator[Field]:
    needed = {name for each in (schema, *schema.get("allOf", ())) for name in each.get("required", ())}
    for name, value in schema.get("properties", {}).items():
        value, full = followed(document, value), f"{prefix}.{name}".removeprefix(".")
        yield Field(full, bounds_of(value), name in needed)
        if "properties" in value or "items" in value:
            yield from fields_of(document, value, full)
        elif "$ref" in value.get("additionalProperties", {}) and "properties" not in value:
            yield from fields_of(document, value["additionalProperties"], f"{full}.*")


def bounds_of(schema: dict[str, Any]) -> str:
    """Return in words what a value may be."""
    if "enum" in schema:
        return "one of " + ", ".join("null" if value is None else str(value) for value in schema["enum"])
    types = schema.get("type", "object")
    names = [_TYPES[each] for each in ([types] if isinstance(types, str) else types)]
    if "format" in schema:
        names[0] = _FORMATS[schema["format"]]
    return " or ".join(names) + "".join(_range(schema))


def _range(schema: dict[str, Any]) -> Iterator[str]:
    for ending, unit in _UNITS:
        least, most = schema.get(f"min{ending}"), schema.get(f"max{ending}")
        if least is not None and most is not None:
            yield f", {least} to {most}{unit}"
        elif least:
            yield f", at least {least}{unit}"
        elif most is not None:
            yield f", at most {most}{unit}"
