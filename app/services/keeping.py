"""Putting tokens into a grant's row, from wherever they come: a code, a refresh, the spool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from app.extensions import vault
from app.models import Grant, Tokens
from app.models.renewal import LEAST_MOVE
from app.oauth.provider import Provider
from app.providers import provider_named

AHEAD = timedelta(minutes=5)  # how long before its end the worker renews a token, at least
LATEST_START = timedelta(days=1)  # a new token is left alone for a day, or for half of its life

_MOMENTS = ("at", "expires_at", "refresh_expires_at")

# What `keep` sets of a row whose user was not asked; and what it looks at that others may have changed.
KEPT = (
    "generation",
    "sealed",
    "token_at",
    "expires_at",
    "refresh_expires_at",
    "scopes_granted",
    "renewable",
    "due_at",
    "ends_at",
    "warned_days",
    "attempts",
    "attempted_at",
    "failure",
    "failed_at",
    "failing_days",
    "retry_at",
    "ended_at",
    "lease_owner",
    "lease_node",
    "lease_until",
)
LOOKED_AT = ("last_used_at", "ends_at", "warned_days")


@dataclass(frozen=True, slots=True)
class Fresh:
    """New tokens of a grant, whole: what an answer left out is what it was before."""

    user_id: int
    provider: str
    account_id: str
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    at: datetime
    expires_at: datetime | None
    refresh_expires_at: datetime | None
    scopes_granted: Sequence[str]

    @property
    def tokens(self) -> Tokens:
        return Tokens(self.access_token, self.refresh_token)

    def to_document(self) -> dict[str, Any]:
        """Return what JSON can hold of this, moments as ISO 8601."""
        moments = {name: getattr(self, name) and getattr(self, name).isoformat() for name in _MOMENTS}
        return {each.name: getattr(self, each.name) for each in fields(self)} | moments

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Fresh:
        moments = {name: document[name] and datetime.fromisoformat(document[name]) for name in _MOMENTS}
        return cls(**{**document, **moments})


def keep(grant: Grant, fresh: Fresh, *, consented: bool) -> None:
    """Make these the grant's tokens: its next generation, with nothing left of leases and failures.

    `consented` tells that the user was asked, which starts the grant's own clock anew. The row must have its
    id. Part of the transaction under way.
    """
    provider = provider_named(grant.provider)
    renewable = _is_renewable(provider, grant, fresh, consented=consented)
    grant.generation += 1
    if consented:
        grant.authorized_at = grant.last_used_at = fresh.at
    grant.token_at, grant.expires_at = fresh.at, fresh.expires_at
    grant.refresh_expires_at = fresh.refresh_expires_at
    grant.scopes_granted = list(fresh.scopes_granted)
    grant.succeed()
    schedule(grant, renewable=renewable)
    grant.seal(vault, fresh.tokens)


def schedule(grant: Grant, *, renewable: bool) -> None:
    """Set when the token is due for renewal, and when the grant ends whatever is renewed."""
    provider = provider_named(grant.provider)
    grant.renewable = renewable
    grant.due_at = due_at(provider, grant)
    grant.end_by(_ends_at(provider, grant))


def _ends_at(provider: Provider, grant: Grant) -> datetime | None:
    """Return when the grant ends whatever is renewed; None: not known, or only if it goes unused."""
    if not grant.renewable:
        return grant.token_ends_at(provider.unused_token_days)
    if provider.grant_days is not None:
        return grant.authorized_at + timedelta(days=provider.grant_days)
    return grant.refresh_expires_at


def _is_renewable(provider: Provider, grant: Grant, fresh: Fresh, *, consented: bool) -> bool:
    """A refresh token renews; so does a token that can be exchanged for a later one, while its end moves."""
    if provider.has_refresh_tokens:
        return fresh.refresh_token is not None
    if consented or fresh.expires_at is None or grant.expires_at is None:
        return True
    return fresh.expires_at > grant.expires_at + LEAST_MOVE


def due_at(provider: Provider, grant: Grant) -> datetime | None:
    """Return when the token is to be renewed, or looked at, before anyone asks; None: never."""
    ahead = None if provider.renew_days_ahead is None else timedelta(days=provider.renew_days_ahead)
    if grant.expires_at is None:  # where tokens do end, and this answer did not say when: as if it were soon
        return grant.token_at + ahead if grant.renewable and ahead else None
    if not grant.renewable:
        return grant.expires_at  # to find it ended
    life = grant.expires_at - grant.token_at
    margin = max(AHEAD, life / 10) if ahead is None else ahead
    return max(grant.expires_at - margin, grant.token_at + min(LATEST_START, life / 2))
