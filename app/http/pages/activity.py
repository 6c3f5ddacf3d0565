"""Activity: the audit of whoever looks, in plain words."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from app.schemas.audit import AuditQuerySchema
from app.services import audit, connections
from app.services.standing import Caller

from ..wire import reads_query
from . import sentences
from .showing import show
from .visiting import visiting

blueprint = Blueprint("activity", __name__, url_prefix="/activity")


@blueprint.get("")
@visiting()
@reads_query(AuditQuerySchema)
def page(caller: Caller, query: dict[str, Any]) -> Response:
    names = connections.names(user_id=caller.user_id)
    found = audit.page(user_id=caller.user_id, **query)
    events = [sentences.told(event, caller, names) for event in found.events]
    return show("activity.html", caller, area="activity", events=events, next=found.next)
