"""What several documents share: moments, ids, a message, the one shape of an error."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from marshmallow import Schema, fields, validate

LARGEST_ID = 2**63 - 1
SOMETIMES = {"sometimes": True}  # metadata of a field that an answer may lack; the others are always there


class Moment(fields.Field[datetime]):
    """A moment as UTC ISO 8601 with Z: whole seconds, or microseconds where the document prints them."""

    def __init__(self, *, timespec: str = "seconds", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.timespec = timespec

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        if value is None:
            return None
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=self.timespec) + "Z"


class Digits(fields.Integer):
    """A whole number in a query, as plain digits: neither sign nor space, nor what other scripts count by."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not re.fullmatch("[0-9]{1,19}", str(value)):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)


class Flag(fields.Boolean):
    """True or false, as JSON spells them: neither 1 nor 0, which Python takes for the same."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


def identifier(**kwargs: Any) -> fields.Integer:
    return fields.Integer(strict=True, validate=validate.Range(1, LARGEST_ID), **kwargs)


def name(**kwargs: Any) -> fields.String:
    return fields.String(required=True, validate=validate.Length(0, 255), **kwargs)


def type_word(**kwargs: Any) -> fields.String:
    return fields.String(required=True, validate=validate.Length(1, 64), **kwargs)


class MessageSchema(Schema):
    message = fields.String(required=True)


class ErrorSchema(Schema):
    error = fields.String(required=True)
    code = fields.String(required=True)
    details = fields.Dict(keys=fields.String(), values=fields.List(fields.String()), metadata=SOMETIMES)
