"""/api/audit: what was done with what is the caller's, and what was refused."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from app.schemas.audit import AuditPageSchema, AuditQuerySchema
from app.services import audit
from app.services.service_keys import Scope
from app.services.standing import Caller

from .caller import authenticated
from .wire import reads_query, writes

blueprint = Blueprint("audit", __name__, url_prefix="/api")


@blueprint.get("/audit")
@authenticated(Scope.READ_METADATA)
@reads_query(AuditQuerySchema)
@writes(AuditPageSchema)
def page(caller: Caller, query: dict[str, Any]) -> Any:
    return audit.page(user_id=caller.user_id, **query)
