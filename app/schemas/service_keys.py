"""Service keys, as operators list them. The key itself is in no answer."""

from __future__ import annotations

from marshmallow import Schema, fields

from .wire import Moment


class ServiceKeySchema(Schema):
    name = fields.String()
    scopes = fields.List(fields.String())
    usernames = fields.List(fields.String(), allow_none=True)
    created_at = Moment()
    expires_at = Moment()
    revoked_at = Moment()
    last_used_at = Moment()
