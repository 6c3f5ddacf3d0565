"""The audit's writer. An event is committed together with what it tells of, before a secret leaves."""

from __future__ import annotations

from structlog.contextvars import get_contextvars

from app.extensions import db
from app.models import AuditEvent

OPERATOR = "operator"


def record(action: str, *, user_id: int | None, target: str = "", detail: str = "") -> None:
    """Add an event to the transaction under way.

    Who acts, from which address and in which request is taken from the context that the door has bound
    (structlog.contextvars, shared with the log): `actor`, `address`, `request_id`.
    """
    context = get_contextvars()
    db.session.add(
        AuditEvent(
            user_id=user_id,
            actor=_plain(str(context.get("actor", OPERATOR)))[:80],
            action=action,
            target=_plain(target)[:320],
            detail=_plain(detail),
            address=str(context.get("address", ""))[:64],
            request_id=str(context.get("request_id", ""))[:64],
        )
    )


def _plain(text: str) -> str:
    """Escape control characters: an event is one line wherever it is shown."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
