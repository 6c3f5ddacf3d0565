"""What concerns all services: the list, and the end of everything."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from app.schemas.services import OfferListSchema, ResetSchema, RevocationListSchema
from app.services import revocations, services
from app.services.service_keys import Scope
from app.services.standing import Caller

from .caller import authenticated
from .wire import writes

blueprint = Blueprint("services", __name__, url_prefix="/api/connections")


@blueprint.get("")
@authenticated(Scope.READ_METADATA, confirms=True)
@writes(OfferListSchema)
def every(caller: Caller) -> Any:
    return {"connections": services.every(caller=caller)}


@blueprint.get("/revocations")
@authenticated(Scope.READ_METADATA)
@writes(RevocationListSchema)
def revocations_of(caller: Caller) -> Any:
    return {"revocations": revocations.waiting_of(caller.user_id)}


@blueprint.delete("/reset")
@authenticated(Scope.WRITE)
@writes(ResetSchema)
def reset(caller: Caller) -> Any:
    count = services.reset(user_id=caller.user_id)
    return {"message": f"Successfully disconnected {count} service(s)", "disconnected_count": count}
