"""What is moved from one service to another: as strict with a file as the API is with its callers."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from .accounts import RegisterSchema
from .connections import AddConnectionSchema
from .wire import Flag, Moment, identifier

YEARS = range(1970, 2200)  # so that what is counted from a moment is one, too

# What Argon2 may cost here at most, when somebody signs in: 256 MiB, 16 passes, 16 lanes.
_HASH = re.compile(
    r"\$argon2id\$v=19\$m=(\d{1,6}),t=(\d{1,2}),p=(\d{1,2})(\$[A-Za-z0-9+/]{11,88}){2}", re.ASCII
)
_MOST = (262144, 16, 16)

_VISIBLE = validate.Regexp(r"[\x20-\x7e]+\Z")  # VSCHAR, as providers' tokens are (RFC 6749, appendix A)


class Instant(Moment):
    """A moment with microseconds, which can be read back."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(timespec="microseconds", **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        try:
            moment = datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
        except (TypeError, ValueError):
            moment = None
        if moment is None or moment.year not in YEARS:
            raise ValidationError("Must be a moment in UTC with microseconds.")
        return moment


def _instant() -> Instant:
    return Instant(required=True)


def _instant_or_none() -> Instant:
    return Instant(required=True, allow_none=True)


def _text(most: int, *, least: int = 1, **kwargs: Any) -> fields.String:
    return fields.String(required=True, validate=validate.Length(least, most), **kwargs)


def _texts() -> fields.List[str]:
    return fields.List(fields.String(validate=validate.Length(min=1)), required=True)


def _affordable(password_hash: str) -> None:
    found = _HASH.fullmatch(password_hash)
    if found is None or any(int(cost) > most for cost, most in zip(found.groups(), _MOST, strict=False)):
        raise ValidationError("Must be a hash of Argon2id that is not too costly.")


class MovedUserSchema(RegisterSchema):
    """A user whom a host application signs in may have neither address nor password here."""

    class Meta:
        exclude = ("password",)

    id = identifier(required=True)
    email = fields.Email(required=True, allow_none=True, validate=validate.Length(3, 254))
    password_hash = fields.String(required=True, allow_none=True, validate=_affordable)
    external_id = identifier(required=True, allow_none=True)
    created_at = _instant()
    disabled_at = _instant_or_none()

    @validates_schema
    def _can_sign_in(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["external_id"] is None and None in (data["email"], data["password_hash"]):
            raise ValidationError({"email": ["Must come with a password."]})


class MovedConnectionSchema(AddConnectionSchema):
    created_at = _instant()
    updated_at = _instant()


class _TokensSchema(Schema):
    provider = _text(64)
    access_token = fields.String(required=True, validate=_VISIBLE)
    refresh_token = fields.String(required=True, allow_none=True, validate=_VISIBLE)
    expires_at = _instant_or_none()


class MovedLinkSchema(Schema):
    service = _text(64)
    connected_at = _instant()
    updated_at = _instant()


class MovedGrantSchema(_TokensSchema):
    account_id = _text(255)
    account_label = _text(255)
    scopes_asked = _texts()
    scopes_granted = _texts()
    authorized_at = _instant()
    token_at = _instant()
    last_used_at = _instant()
    refresh_expires_at = _instant_or_none()
    renewable = Flag(required=True)
    ended_at = _instant_or_none()
    warned_days = fields.Integer(required=True, allow_none=True, strict=True, validate=validate.Range(0, 366))
    links = fields.List(fields.Nested(MovedLinkSchema), required=True)


class MovedRevocationSchema(_TokensSchema):
    account_id = _text(255, least=0)
    username = _text(64, allow_none=True)


class MovedDepartureSchema(Schema):
    external_id = identifier(required=True)
    at = _instant()


class MovedServiceKeySchema(Schema):
    name = fields.String(required=True, validate=[validate.Length(1, 64), validate.Predicate("isprintable")])
    hash = fields.String(required=True, validate=validate.Regexp(r"[0-9a-f]{64}\Z"))
    scopes = _texts()
    usernames = fields.List(_text(64), required=True, allow_none=True)
    created_at = _instant()
    expires_at = _instant_or_none()
    revoked_at = _instant_or_none()
    last_used_at = _instant_or_none()
