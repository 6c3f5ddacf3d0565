"""OAuth connections, as their document prints them."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from .wire import SOMETIMES, Digits, Flag, Moment


def _missing_only() -> fields.Boolean:
    """`scopes: missing` asks for what was not granted, where the provider adds it to what was."""
    return fields.Boolean(data_key="scopes", truthy={"missing"}, falsy={"all"})


class StartQuerySchema(Schema):
    return_to = fields.String(validate=validate.Length(1, 2048))
    replace = fields.Boolean(truthy={"true", "1"}, falsy={"false", "0"})
    missing_only = _missing_only()


class AuthorizeSchema(Schema):
    return_to = fields.String(validate=validate.Length(1, 2048), allow_none=True)
    replace = Flag()
    missing_only = _missing_only()


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
    connected_at = Moment(allow_none=True)


class OfferListSchema(Schema):
    connections = fields.List(fields.Nested(OfferSchema))


class ResetSchema(Schema):
    message = fields.String()
    disconnected_count = fields.Integer()


class RevocationSchema(Schema):
    provider = fields.String()
    account_id = fields.String()
    queued_at = Moment()
    attempts = fields.Integer()
    retry_at = Moment(allow_none=True)
    given_up_at = Moment()


class RevocationListSchema(Schema):
    revocations = fields.List(fields.Nested(RevocationSchema))


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
    token_expires_at = Moment(allow_none=True)


class CallbackSchema(Schema):
    """One service, or for a flow that connects several, each under its name."""

    success = fields.Boolean()
    message = fields.String()
    connection = fields.Nested(ConnectedSchema, metadata=SOMETIMES)
    connections = fields.Dict(keys=fields.String(), values=fields.Nested(ConnectedSchema), metadata=SOMETIMES)


class TokenQuerySchema(Schema):
    min_ttl = Digits(validate=validate.Range(0, 2**31 - 1))


class LiveTokenSchema(Schema):
    access_token = fields.String()
    token_type = fields.String()
    expires_at = Moment(allow_none=True)
    scopes = fields.List(fields.String())
    warning = fields.String(allow_none=True)


class StatusSchema(Schema):
    service_name = fields.String()
    account_id = fields.String()
    account_label = fields.String()
    scopes_granted = fields.List(fields.String())
    scopes_missing = fields.List(fields.String())
    authorized_at = Moment()
    token_expires_at = Moment(allow_none=True)
    grant_expires_at = Moment(allow_none=True)
    last_refresh_at = Moment(allow_none=True)
    renews_itself = fields.Boolean()
    attempts = fields.Integer()
    failure = fields.String(allow_none=True)
    failed_at = Moment(allow_none=True)
    failing_days = fields.Integer()
    retry_at = Moment(allow_none=True)
    shared_with = fields.List(fields.String())
    health = fields.Function(lambda status: status.health.word.value)
    reason = fields.String(attribute="health.reason")
    remedy = fields.String(attribute="health.remedy", allow_none=True)
    reconnect_path = fields.String(attribute="health.reconnect_path", allow_none=True)


class TestedSchema(Schema):
    works = fields.Boolean()
    failure = fields.Function(lambda tested: tested.failure and tested.failure.value, allow_none=True)
    status = fields.Nested(StatusSchema)
