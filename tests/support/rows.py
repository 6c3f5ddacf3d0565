"""What stands in a service's database, read beside the service."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select, update

from app.extensions import db, vault
from app.models import AuditEvent, Grant, now
from app.oauth.provider import Provider
from app.providers import provider_named
from tests.support.providers import Sandbox
from tests.support.service import Service, User


def grant_of(service: Service, user: User, provider: str | None = None) -> Grant:
    """Return the user's one grant, or the one at this provider; detached."""
    with service.app.app_context():
        wanted = select(Grant).where(Grant.user_id == user.id)
        row = db.session.scalars(
            wanted if provider is None else wanted.where(Grant.provider == provider)
        ).one()
        db.session.expunge(row)
    return row


def tokens_of(service: Service, user: User, provider: Provider) -> list[str]:
    """Return the tokens that the service keeps for this user at this provider."""
    grant = grant_of(service, user, provider.name)
    with service.app.app_context():
        tokens = grant.open(vault)
    return [token for token in (tokens.access_token, tokens.refresh_token) if token]


def change_grant(service: Service, user: User, provider: str | None = None, **values: object) -> None:
    """Put other values into the user's grant: time passes by moving what is compared with it."""
    id = grant_of(service, user, provider).id
    with service.app.app_context():
        db.session.execute(update(Grant).where(Grant.id == id).values(**values))
        db.session.commit()


def ago(**parts: float) -> datetime:
    return now() - timedelta(**parts)


def expire_token(service: Service, sandbox: Sandbox, user: User, provider: str) -> str:
    """End the access token here and at its provider, an hour after it came; return it."""
    token = tokens_of(service, user, provider_named(provider))[0]
    sandbox.control.expire(provider, token=token)
    change_grant(
        service, user, provider, token_at=ago(hours=1), expires_at=ago(seconds=1), due_at=ago(seconds=1)
    )
    return token


def actions_of(service: Service, user: User) -> list[str]:
    """Return what the audit says of this user, oldest first."""
    with service.app.app_context():
        return list(
            db.session.scalars(
                select(AuditEvent.action).where(AuditEvent.user_id == user.id).order_by(AuditEvent.id)
            )
        )
