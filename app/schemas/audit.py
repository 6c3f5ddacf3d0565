"""The audit, as its owner pages through it."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from .wire import LARGEST_ID, Digits, Moment

MOST = 200  # events on a page


class AuditQuerySchema(Schema):
    limit = Digits(load_default=50, validate=validate.Range(1, MOST))
    before = Digits(validate=validate.Range(1, LARGEST_ID))
    action = fields.String(validate=validate.Regexp(r"[a-z_]+(\.[a-z_]+)?\Z"))


class AuditEventSchema(Schema):
    id = fields.Integer()
    at = Moment()
    actor = fields.String()
    action = fields.String()
    target = fields.String()
    detail = fields.String()
    address = fields.String()
    request_id = fields.String()


class AuditPageSchema(Schema):
    events = fields.List(fields.Nested(AuditEventSchema))
    next = fields.Integer(allow_none=True)
