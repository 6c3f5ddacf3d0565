"""From marshmallow's schemas to JSON Schema: what apispec does not know of our fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema, fields, validate

from app.oauth.answers import Kind
from app.oauth.revocation import Outcome
from app.schemas.accounts import LoginSchema
from app.schemas.services import CallbackSchema, DisconnectedSchema, StatusSchema, TestedSchema
from app.schemas.wire import Moment
from app.services.health import Word

NO_NUL = "^[^\\u0000]*$"  # the wire refuses it, and lone surrogates, which no pattern can name

_END = r"\Z"

# Fields whose values are a closed set that their schema may not know.
_CLOSED = {
    (DisconnectedSchema, "revocation"): Outcome,
    (StatusSchema, "failure"): Kind,
    (StatusSchema, "health"): Word,
    (TestedSchema, "failure"): Kind,
}


def _one_of(*names: str) -> dict[str, Any]:
    return {"oneOf": [{"required": [name]} for name in names]}


# What a schema says of its fields together.
_TOGETHER = {
    LoginSchema: _one_of("username", "email"),
    CallbackSchema: _one_of("connection", "connections"),
}


class Knowing(OpenAPIConverter):
    """Knows which schemas are read: what those require is said, and an answer has all that it can have."""

    read: frozenset[type[Schema]] = frozenset()
    patterns: Mapping[str, str] = {}

    def schema2jsonschema(self, schema: Any) -> dict[str, Any]:
        document: dict[str, Any] = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]  # apispec's
        if type(schema) not in self.read:
            document["required"] = [
                field.data_key or name
                for name, field in schema.fields.items()
                if "sometimes" not in field.metadata
            ]
        for name in document["properties"]:
            if closed := _CLOSED.get((type(schema), name)):
                document["properties"][name] |= _values(schema.fields[name], [each.value for each in closed])
        return {**document, **_TOGETHER.get(type(schema), {})}


class Taught(MarshmallowPlugin):
    """apispec's plugin, which knows our fields. `return_to` is the pattern of such a field."""

    Converter = Knowing
    knowing: Knowing

    def __init__(self, *, read: frozenset[type[Schema]], return_to: str) -> None:
        super().__init__(schema_name_resolver=_name_of)
        self._read, self._patterns = read, {"return_to": return_to}

    def init_spec(self, spec: APISpec) -> None:
        super().init_spec(spec)
        self.knowing = cast(Knowing, self.converter)
        self.knowing.read, self.knowing.patterns = self._read, self._patterns
        self.knowing.field_mapping = {**self.knowing.field_mapping, Moment: ("string", "date-time")}
        for knowledge in (text, words, keys):
            self.knowing.add_attribute_function(knowledge)  # type: ignore[no-untyped-call]  # apispec's


def text(self: Knowing, field: fields.Field[Any], ret: dict[str, Any]) -> dict[str, Any]:
    """Say what no text that is sent may hold. A pattern of marshmallow's begins where the text begins."""
    if not isinstance(field, fields.String) or type(field.parent) not in self.read:
        return {}
    found = next((each for each in field.validators if isinstance(each, validate.Regexp)), None)
    if found is not None:
        return {"pattern": f"^{str(found.regex.pattern).removesuffix(_END)}$"}
    return {} if "pattern" in ret else {"pattern": self.patterns.get(str(field.name), NO_NUL)}


def words(self: Knowing, field: fields.Field[Any], ret: dict[str, Any]) -> dict[str, Any]:
    """Say by which words a query spells yes and no."""
    if not isinstance(field, fields.Boolean):
        return {}
    spelled = sorted(word for word in field.truthy | field.falsy if isinstance(word, str))
    return {"type": "string", "enum": spelled} if field.truthy != fields.Boolean.truthy and spelled else {}


def keys(self: Knowing, field: fields.Field[Any], ret: dict[str, Any]) -> dict[str, Any]:
    """Say what the keys of an object may be."""
    if not isinstance(field, fields.Dict) or field.key_field is None or type(field.parent) not in self.read:
        return {}
    return {"minProperties": 1, "propertyNames": {**self.field2property(field.key_field), "pattern": NO_NUL}}


def _values(field: fields.Field[Any], values: list[str]) -> dict[str, Any]:
    if field.allow_none:
        return {"type": ["string", "null"], "enum": [*values, None]}
    return {"type": "string", "enum": values}


def _name_of(schema: Any) -> str:
    """Return the name of a schema in the document: its class's, without the ending."""
    cls = schema if isinstance(schema, type) else type(schema)
    return cls.__name__.removesuffix("Schema")
