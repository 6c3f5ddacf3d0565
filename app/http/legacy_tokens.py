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
from app.services.service_keys import Scope
from app.services.standing import Caller

from .caller import authenticated, owner
from .wire import reads, writes

blueprint = Blueprint("legacy_tokens", __name__, url_prefix="/api/users")


@blueprint.post("/<username>/connections/addtoken")
@owner(Scope.WRITE)
@reads(AddTokenSchema)
@writes(MessageSchema, 201)
def add(caller: Caller, body: dict[str, Any]) -> Any:
    legacy_tokens.add(user_id=caller.user_id, **body)
    return {"message": "token added"}


@blueprint.post("/<username>/connection/gettoken")
@owner(Scope.READ_SECRETS, confirms=True)
@reads(GetTokenSchema)
@writes(TokenSchema)
def get(caller: Caller, body: dict[str, Any]) -> Any:
    return {"token": legacy_tokens.get(caller=caller, **body)}


@blueprint.get("/<username>/connection/gettokens")
@owner(Scope.READ_SECRETS, confirms=True)
@writes(ListedTokenSchema, many=True)
def every(caller: Caller) -> Any:
    return legacy_tokens.every(caller=caller)


@blueprint.put("/connection/update/token/name")
@authenticated(Scope.WRITE)
@reads(RenameTokenSchema)
@writes(MessageSchema)
def rename(caller: Caller, body: dict[str, Any]) -> Any:
    legacy_tokens.rename(user_id=caller.user_id, **body)
    return {"message": "update token successfully"}


@blueprint.put("/<username>/connection/update/token/name")
@owner(Scope.WRITE)
@reads(RenameTokenSchema)
@writes(MessageSchema)
def rename_own(caller: Caller, body: dict[str, Any]) -> Any:
    legacy_tokens.rename(user_id=caller.user_id, **body)
    return {"message": "update token successfully"}


@blueprint.post("/<username>/connection/check/token")
@owner(Scope.READ_METADATA)
@reads(TokenIdSchema)
@writes(MessageSchema)
def check(caller: Caller, body: dict[str, Any]) -> Any:
    legacy_tokens.check(user_id=caller.user_id, **body)
    return {"message": "correct token"}


@blueprint.put("/<username>/connection/update/token/token")
@owner(Scope.WRITE)
@reads(ReplaceOrDeleteTokenSchema)
@writes(MessageSchema)
def replace_or_delete(caller: Caller, body: dict[str, Any]) -> Any:
    if "token" not in body:
        return _delete(caller, body)
    legacy_tokens.replace(user_id=caller.user_id, **body)
    return {"message": "updated token successfully"}


@blueprint.route("/<username>/connection/delete/token", methods=["DELETE", "POST"])
@owner(Scope.WRITE)
@reads(TokenIdSchema)
@writes(MessageSchema)
def delete(caller: Caller, body: dict[str, Any]) -> Any:
    return _delete(caller, body)


def _delete(caller: Caller, body: dict[str, Any]) -> dict[str, str]:
    legacy_tokens.delete(user_id=caller.user_id, **body)
    return {"message": "deleted token successfully"}
