"""Legacy tokens, as their document prints them."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from app.providers import ACCESS_WORDS

from .wire import Moment, identifier, name, type_word


def _token(*, required: bool = True) -> fields.String:
    return fields.String(required=required, validate=validate.Length(min=1))


class AddTokenSchema(Schema):
    name = name()
    token_type = type_word()
    token = _token()


class GetTokenSchema(Schema):
    name = name()
    token_type = type_word()


class RenameTokenSchema(Schema):
    id = identifier(required=True)
    name = name()


class TokenIdSchema(Schema):
    id = identifier(required=True)


class ReplaceOrDeleteTokenSchema(Schema):
    """With a token: replace it. With the id and nothing else: delete, as the document prints it."""

    id = identifier(required=True)
    token = _token(required=False)


class AccessUrlSchema(Schema):
    token_type = type_word(metadata={"enum": list(ACCESS_WORDS)})


class TokenSchema(Schema):
    token = fields.String()


class ListedTokenSchema(Schema):
    ID = fields.Integer(attribute="id")
    CreatedAt = Moment(attribute="created_at", timespec="microseconds")
    UpdatedAt = Moment(attribute="updated_at", timespec="microseconds")
    DeletedAt = fields.Constant(None, allow_none=False, metadata={"type": "null"})
    Token = fields.String(attribute="token", allow_none=True)
    Token_type = fields.String(attribute="token_type")
    UserID = fields.Integer(attribute="user_id")
    Name = fields.String(attribute="name")
