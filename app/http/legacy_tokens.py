"""Legacy tokens. Access URLs, which belong to two documents, stand in access_urls.py."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from app.schemas.legacy_tokens import (
    AddTokenSchema,
    GetTokenSchema,
    ListedTokenSchema,
    RenameTokenSchema,
    ReplaceOrDeleteTokenSchema,
    TokenIdSchema,
    TokenSchema,
)
from app.schemas.wire import MessageSchema
from app.services import legacy_tokens
from app.services.bearer import Caller

from .caller import authenticated, owner
from .wire import reads, writes

blueprint = Blueprint("legacy_tokens", __name__, url_prefix="/api/users")


@blueprint.post("/<username>/connections/addtoken")
@owner
@reads(AddTokenSchema)
@writes(MessageSchema, 201)
def add(caller: Caller, body: dict[str, Any]) -> Any:
    legacy_tokens.add(user_id=caller.user_id, **body)
    return {"message": "token added"}


@blueprint.post("/<username>/connection/gettoken")
@owner
@reads(GetTokenSchema)
@writes(TokenSchema)
def get(caller: Caller, body: dict[str, Any]) -> Any:
    return {"token": legacy_tokens.get(user_id=caller.user_id, **body)}


@blueprint.get("/<username>/connection/gettokens")
@owner
@writes(ListedTokenSchema, many=True)
def every(caller: Caller) -> Any:
    return legacy_tokens.every(user_id=caller.user_id)


@blueprint.put("/connection/update/token/name")
@authenticated
@reads(RenameTokenSchema)
@writes(MessageSchema)
def rename(caller: Caller, body: dict[str, Any]) -> Any:
    legacy_tokens.rename(user_id=caller.user_id, **body)
    return {"message": "update token successfully"}


@blueprint.put("/<username>/connection/update/token/name")
@owner
@reads(RenameTokenSchema)
@writes(MessageSchema)
def rename_own(caller: Caller, body: dict[str, Any]) -> Any:
    legacy_tokens.rename(user_id=caller.user_id, **body)
    return {"message": "update token successfully"}


@blueprint.post("/<username>/connection/check/token")
@owner
@reads(TokenIdSchema)
@writes(MessageSchema)
def check(caller: Caller, body: dict[str, Any]) -> Any:
    legacy_tokens.check(user_id=caller.user_id, **body)
    return {"message": "correct token"}


@blueprint.put("/<username>/connection/update/token/token")
@owner
@reads(ReplaceOrDeleteTokenSchema)
@writes(MessageSchema)
def replace_or_delete(caller: Caller, body: dict[str, Any]) -> Any:
    if "token" not in body:
        return _delete(caller, body)
    legacy_tokens.replace(user_id=caller.user_id, **body)
    return {"message": "updated token successfully"}


@blueprint.route("/<username>/connection/delete/token", methods=["DELETE", "POST"])
@owner
@reads(TokenIdSchema)
@writes(MessageSchema)
def delete(caller: Caller, body: dict[str, Any]) -> Any:
    return _delete(caller, body)


def _delete(caller: Caller, body: dict[str, Any]) -> dict[str, str]:
    legacy_tokens.delete(user_id=caller.user_id, **body)
    return {"message": "deleted token successfully"}
