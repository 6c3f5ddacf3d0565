"""What operators list and programs of theirs read: connections of all users, and users."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_dump

from .services import StatusSchema
from .wire import Moment


class HeldSchema(Schema):
    """A connection: whose it is, and all that its status says."""

    username = fields.String()
    status = fields.Nested(StatusSchema)

    @post_dump
    def _in_one(self, document: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return {"username": document["username"], **document["status"]}


class HeldTypedSchema(Schema):
    username = fields.String()
    id = fields.Integer()
    name = fields.String()
    type = fields.String()
    created_at = Moment()
    opens = fields.Boolean()


class AccountSchema(Schema):
    id = fields.Integer(attribute="user.shown_id")
    username = fields.String(attribute="user.username")
    email = fields.String(attribute="user.known_email")
    created_at = Moment(attribute="user.created_at")
    disabled_at = Moment(attribute="user.disabled_at")
    service_connections = fields.Integer()
    typed_connections = fields.Integer()
    logins = fields.Integer()
    last_sign_in_at = Moment()
