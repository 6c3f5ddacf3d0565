"""What stands in a service's database, read beside the service."""

from __future__ import annotations

from sqlalchemy import select

from app.extensions import db, vault
from app.models import Grant
from app.oauth.provider import Provider
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
