"""Accounts: what they send and get."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.usernames import FORM, problem_with

from .wire import Moment

# Of an address, what `format` leaves open: which hosts there are. A literal is one of IPv4.
EMAIL = r"^[^\u0000]+@([^\u0000]*\.[^.@\u0000]{2,}|localhost|\[[0-9.]+\])$"


def _usable(username: str) -> None:
    if problem := problem_with(username):
        raise ValidationError(problem)


def _password() -> fields.String:
    return fields.String(required=True, load_only=True, validate=validate.Length(8, 256))


class RegisterSchema(Schema):
    username = fields.String(
        required=True,
        validate=[validate.Length(1, 64), _usable],
        metadata={"pattern": FORM, "not": {"enum": [".", ".."]}},
    )
    email = fields.Email(required=True, validate=validate.Length(3, 254), metadata={"pattern": EMAIL})
    password = _password()


class LoginSchema(Schema):
    username = fields.String(validate=validate.Length(1, 64))
    email = fields.String(validate=validate.Length(1, 254))
    password = fields.String(required=True, load_only=True, validate=validate.Length(1, 256))

    @validates_schema
    def _one_name(self, data: dict[str, Any], **kwargs: Any) -> None:
        if ("username" in data) == ("email" in data):
            raise ValidationError({"username": ["Give either username or email."]})


class PasswordChangeSchema(Schema):
    current_password = fields.String(required=True, load_only=True, validate=validate.Length(1, 256))
    new_password = _password()


class PasswordSchema(Schema):
    password = fields.String(required=True, load_only=True, validate=validate.Length(1, 256))


class UserSchema(Schema):
    id = fields.Integer(attribute="shown_id")
    username = fields.String()
    email = fields.String(attribute="known_email", allow_none=True)
    created_at = Moment()


class TokenPairSchema(Schema):
    access_token = fields.String()
    refresh_token = fields.String()


class SignedInSchema(Schema):
    access_token = fields.String(attribute="tokens.access_token")
    refresh_token = fields.String(attribute="tokens.refresh_token")
    user = fields.Nested(UserSchema)
