"""How a schema writes, worked out once: marshmallow says what the document is, and asks itself at each value.

A value that already is what its field would make of it is taken as it is, and so is JSON that was written
before; any other one, and any field that is not among those known here, is left to marshmallow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from marshmallow import Schema, fields, missing
from marshmallow.decorators import POST_DUMP, PRE_DUMP
from marshmallow.utils import get_value
from msgspec import Raw

from .wire import Moment

Dump = Callable[[Any], Any]
Write = Callable[[Any, str, Any], Any]
Step = tuple[str, str | None, tuple[type, ...], Write]  # key, attribute, what needs no writing, how to write

_ABSENT, _NONE = type(missing), type(None)
_PLAIN: dict[type, tuple[type, ...]] = {
    fields.String: (str, _NONE),
    fields.Integer: (int, _NONE),
    fields.Boolean: (bool, _NONE),
    fields.Dict: (dict, _NONE),
    Moment: (_NONE,),
    fields.Nested: (Raw,),
}


def dump_of(schema: Schema) -> Dump:
    """Return what does the same as `schema.dump`, but with `many=False`."""
    if schema._hooks[PRE_DUMP] or schema._hooks[POST_DUMP]:
        return lambda one: schema.dump(one, many=False)
    steps = [_step(schema, name, field) for name, field in schema.dump_fields.items()]

    def dump(one: Any) -> dict[str, Any]:
        document: dict[str, Any] = {}
        read = _reader(one)
        for key, attribute, plain, write in steps:
            value = missing if attribute is None else read(one, attribute, missing)
            if attribute is None or type(value) not in plain:
                value = write(value, key, one)
            if value is not missing:
                document[key] = value
        return document

    return dump


def _reader(one: Any) -> Callable[[Any, str, Any], Any]:
    """Return how marshmallow would read an attribute of it: what can be indexed, it tries to index first."""
    if type(one) is dict:
        return dict.get
    return get_value if hasattr(one, "__getitem__") and not isinstance(one, tuple) else getattr


def _step(schema: Schema, name: str, field: fields.Field[Any]) -> Step:
    key = name if field.data_key is None else field.data_key
    attribute = name if field.attribute is None else field.attribute
    if not field._CHECK_ATTRIBUTE or "." in attribute or field.dump_default is not missing:
        return key, None, (), lambda _, __, one: field.serialize(name, one, schema.get_attribute)
    return key, attribute, (*_plain(field), _ABSENT), _write(field)


def _plain(field: fields.Field[Any]) -> tuple[type, ...]:
    """Return the types of those values which the field writes as they are."""
    if any(getattr(field, name, None) for name in ("as_string", "key_field", "value_field")):
        return ()
    return _PLAIN.get(type(field), ())


def _write(field: fields.Field[Any]) -> Write:
    if type(field) is fields.Nested and not field.many:
        dump = dump_of(field.schema)
        return lambda value, *_: None if value is None else dump(value)
    if type(field) is fields.List:
        plain, write = _plain(field.inner), _write(field.inner)
        return lambda values, *of: (
            None if values is None else [one if type(one) in plain else write(one, *of) for one in values]
        )
    return field._serialize
