"""From marshmallow's schemas to JSON Schema: what apispec does not know of our fields."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from apispec.ext.marshmallow import MarshmallowPlugin, OpenAPIConverter
from marshmallow import Schema, fields, validate

from app.oauth.answers import Kind
from app.oauth.revocation import Outcome
from app.schemas.accounts import LoginSchema
from app.schemas.services import CallbackSchema, DisconnectedSchema, StatusSchema, TestedSchema
from app.schemas.wire import Moment
from app.services.health import Word

NO_NUL = "^[^\\u0000]*$"  # the wire refuses it, and lone surrogates, which no pattern can name

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


class Converter(OpenAPIConverter):
    """Knows which schemas are read: what those require is said, and an answer has all that it can have."""

    read: ClassVar[frozenset[type[Schema]]] = frozenset()

    def schema2jsonschema(self, schema: Any) -> dict[str, Any]:
        document: dict[str, Any] = super().schema2jsonschema(schema)
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


def plugin_for(read: Iterable[type[Schema]]) -> MarshmallowPlugin:
    """Return apispec's plugin, taught our fields. `read` are the schemas of bodies and queries."""

    class Taught(MarshmallowPlugin):
        class Converter(Converter):
            pass

    Taught.Converter.read = frozenset(read)
    return Taught(schema_name_resolver=_name_of)


def teach(converter: OpenAPIConverter) -> None:
    converter.map_to_openapi_type(Moment, "string", "date-time")
    for knowledge in (text, words, keys):
        converter.add_attribute_function(knowledge)


def text(self: Converter, field: fields.Field[Any], ret: dict[str, Any]) -> dict[str, Any]:
    """Say what no text that is sent may hold. A pattern of marshmallow's begins where the text begins."""
    if not isinstance(field, fields.String) or type(field.parent) not in self.read:
        return {}
    found = next((each for each in field.validators if isinstance(each, validate.Regexp)), None)
    if found is not None:
        return {"pattern": f"^{found.regex.pattern.removesuffix(chr(92) + 'Z')}$"}
    return {} if "pattern" in ret else {"pattern": NO_NUL}


def words(self: Converter, field: fields.Field[Any], ret: dict[str, Any]) -> dict[str, Any]:
    """Say by which words a query spells yes and no."""
    if not isinstance(field, fields.Boolean):
        return {}
    spelled = sorted(word for word in field.truthy | field.falsy if isinstance(word, str))
    is_told = field.truthy is not fields.Boolean.truthy and field.truthy != fields.Boolean.truthy
    return {"type": "string", "enum": spelled} if is_told and spelled else {}


def keys(self: Converter, field: fields.Field[Any], ret: dict[str, Any]) -> dict[str, Any]:
    """Say what the keys of an object may be."""
    if not isinstance(field, fields.Dict) or type(field.parent) not in self.read:
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
