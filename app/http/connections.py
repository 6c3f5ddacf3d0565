"""Typed connections."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from msgspec import Raw

from app.schemas.connections import (
    AddConnectionSchema,
    ConnectionListSchema,
    ConnectionSchema,
    ListedConnectionSchema,
    ReadConnectionSchema,
    RenameConnectionSchema,
    ReplaceDataSchema,
)
from app.schemas.dumping import dump_of
from app.schemas.wire import MessageSchema
from app.services import connections, listing, storing
from app.services.listing import Opened
from app.services.service_keys import Scope
from app.services.standing import Caller

from .caller import owner
from .json_provider import part
from .wire import reads, writes

blueprint = Blueprint("connections", __name__, url_prefix="/api/users/<username>")

_dump_listed = dump_of(ListedConnectionSchema())


@blueprint.post("/add/connection")
@owner(Scope.WRITE, confirms=True)
@reads(AddConnectionSchema)
@writes(ConnectionSchema, 201)
def add(caller: Caller, body: dict[str, Any]) -> Any:
    return storing.add(caller=caller, **body)


@blueprint.get("/get/connection/<row_id:id>")
@owner(Scope.READ_SECRETS, confirms=True)
@writes(ReadConnectionSchema)
def read(caller: Caller, id: int | None) -> Any:
    return connections.read(caller=caller, id=id)


@blueprint.get("/get/connections")
@owner(Scope.READ_METADATA, confirms=True)
@writes(ConnectionListSchema)
def every(caller: Caller) -> Any:
    return {"connections": listing.every(caller=caller, make=_written)}


def _written(one: Opened) -> Raw:
    return part(_dump_listed(one))


@blueprint.put("/update/connection/name/<row_id:id>")
@owner(Scope.WRITE)
@reads(RenameConnectionSchema)
@writes(MessageSchema)
def rename(caller: Caller, id: int | None, body: dict[str, Any]) -> Any:
    connections.rename(user_id=caller.user_id, id=id, **body)
    return {"message": "updated connection successfully"}


@blueprint.put("/update/connection/data/<row_id:id>")
@owner(Scope.WRITE)
@reads(ReplaceDataSchema)
@writes(MessageSchema)
def replace(caller: Caller, id: int | None, body: dict[str, Any]) -> Any:
    connections.replace(user_id=caller.user_id, id=id, **body)
    return {"message": "updated connection successfully"}


@blueprint.get("/check/connection/<row_id:id>")
@owner(Scope.READ_METADATA)
@writes(MessageSchema)
def check(caller: Caller, id: int | None) -> Any:
    return {"message": "true" if connections.exists(user_id=caller.user_id, id=id) else "false"}


@blueprint.delete("/connection/delete/<row_id:id>")
@owner(Scope.WRITE)
@writes(MessageSchema)
def delete(caller: Caller, id: int | None) -> Any:
    connections.delete(user_id=caller.user_id, id=id)
    return {"message": "deleted connection successfully"}
