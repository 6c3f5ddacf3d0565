"""Typed connections, as their document prints them."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, missing, validate

from .wire import SOMETIMES, name, type_word


def _data() -> fields.Dict:
    return fields.Dict(keys=fields.String(validate=validate.Length(1, 255)), required=True)


class AddConnectionSchema(Schema):
    name = name()
    type = type_word()
    data = _data()


class RenameConnectionSchema(Schema):
    name = name()


class ReplaceDataSchema(Schema):
    data = _data()


class _DescribedSchema(Schema):
    data = fields.Dict()
    name = fields.String()
    type = fields.String()


class ConnectionSchema(_DescribedSchema):
    id = fields.Integer()


class ReadConnectionSchema(_DescribedSchema):
    id = fields.String()  # the document prints it as one, here and only here


class _OnlyWhenSo(fields.Boolean):
    """True, or absent."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return value or missing


class ListedConnectionSchema(ConnectionSchema):
    unreadable = _OnlyWhenSo(metadata=SOMETIMES)


class ConnectionListSchema(Schema):
    connections = fields.List(fields.Nested(ListedConnectionSchema))
