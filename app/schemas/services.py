"""OAuth connections, as their document prints them."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from .wire import Moment


class StartQuerySchema(Schema):
    return_to = fields.String(validate=validate.Length(1, 2048))
    replace = fields.Boolean(truthy={"true", "1"}, falsy={"false", "0"})


class AuthorizeSchema(Schema):
    return_to = fields.String(validate=validate.Length(1, 2048), allow_none=True)
    replace = fields.Boolean(truthy={True}, falsy={False})


class AuthorizedSchema(Schema):
    authorize_url = fields.String()
    connect_url = fields.String()
    expires_at = Moment()


class OfferSchema(Schema):
    service_id = fields.Integer()
    service_name = fields.String()
    display_name = fields.String()
    description = fields.String()
    is_connected = fields.Boolean()
    connected_at = Moment()


class OfferListSchema(Schema):
    connections = fields.List(fields.Nested(OfferSchema))


class ResetSchema(Schema):
    message = fields.String()
    disconnected_count = fields.Integer()


class DisconnectedSchema(Schema):
    message = fields.String()
    revocation = fields.String()


class ConnectedSchema(Schema):
    id = fields.Integer()
    user_id = fields.Integer()
    service_id = fields.Integer()
    service_name = fields.String()
    service_display_name = fields.String()
    connected_at = Moment()
    updated_at = Moment()
    token_expires_at = Moment()


class CallbackSchema(Schema):
    """One service, or for a flow that connects several, each under its name."""

    success = fields.Boolean()
    message = fields.String()
    connection = fields.Nested(ConnectedSchema)
    connections = fields.Dict(keys=fields.String(), values=fields.Nested(ConnectedSchema))
