"""/api/auth: the service's own accounts."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from app.schemas.accounts import (
    LoginSchema,
    PasswordChangeSchema,
    PasswordSchema,
    RegisterSchema,
    SignedInSchema,
    TokenPairSchema,
    UserSchema,
)
from app.schemas.wire import MessageSchema
from app.services import accounts, bearer
from app.services.service_keys import Scope
from app.services.standing import Caller

from . import limits
from .caller import authenticated, renewing, signed_in
from .limits import limited
from .wire import reads, writes

blueprint = Blueprint("accounts", __name__, url_prefix="/api/auth")


@blueprint.post("/register")
@limited("register")
@reads(RegisterSchema)
@writes(SignedInSchema, 201)
def register(body: dict[str, Any]) -> Any:
    return accounts.register(**body)


@blueprint.post("/login")
@limited("login")
@reads(LoginSchema)
@writes(SignedInSchema)
def login(body: dict[str, Any]) -> Any:
    return accounts.login(**body, address=limits.address())


@blueprint.post("/refresh")
@limited("login")
@renewing
@writes(TokenPairSchema)
def refresh(tokens: bearer.TokenPair) -> Any:
    return tokens


@blueprint.post("/logout")
@signed_in
@writes(MessageSchema)
def logout(caller: Caller) -> Any:
    bearer.end_login(caller)
    return {"message": "logged out"}


@blueprint.get("/me")
@authenticated(Scope.READ_METADATA)
@writes(UserSchema)
def me(caller: Caller) -> Any:
    return accounts.profile(caller.user_id)


@blueprint.put("/password")
@signed_in
@reads(PasswordChangeSchema)
@writes(MessageSchema)
def change_password(caller: Caller, body: dict[str, str]) -> Any:
    accounts.change_password(
        user_id=caller.user_id, login_id=caller.login_id, address=limits.address(), **body
    )
    return {"message": "updated password successfully"}


@blueprint.delete("/me")
@signed_in
@reads(PasswordSchema)
@writes(MessageSchema)
def leave(caller: Caller, body: dict[str, str]) -> Any:
    accounts.leave(user_id=caller.user_id, address=limits.address(), **body)
    return {"message": "deleted account successfully"}
