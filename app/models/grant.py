"""OAuth: what may be connected, what is, and the grant that stands behind it."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import JSON, Boolean, ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.vault import Vault

from .base import NEVER_REUSED, Base, Id, PrimaryKey, now
from .renewal import Renewal
from .stored_json import loads


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a grant holds at its provider."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)

    def to_bytes(self) -> bytes:
        held = {"access_token": self.access_token, "refresh_token": self.refresh_token}
        return json.dumps(held).encode("utf-8")

    @classmethod
    def from_bytes(cls, raw: bytes) -> Tokens:
        return cls(**loads(raw))


class Service(Base):
    """A service that operators offer. What it is called and asks for stands in app/providers."""

    __tablename__ = "services"

    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    display_name: Mapped[str] = mapped_column(String(64))
    description: Mapped[str] = mapped_column(String(255))
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)


class Grant(Renewal, Base):
    """One user's grant at one provider: one stored token, whatever number of services it serves."""

    __tablename__ = "grants"
    __table_args__ = (
        UniqueConstraint("user_id", "provider"),
        Index("ix_grants_provider_account_id", "provider", "account_id"),
        Index("ix_grants_provider_due_at", "provider", "due_at"),
        NEVER_REUSED,
    )
    BOUND_TO: ClassVar = ("id", "incarnation", "user_id", "provider", "account_id")

    id: Mapped[PrimaryKey]
    user_id: Mapped[int] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"))
    provider: Mapped[str] = mapped_column(String(64))
    incarnation: Mapped[str] = mapped_column(String(32), default=lambda: secrets.token_hex(16))
    generation: Mapped[int] = mapped_column(default=0)  # which token this is; each new one counts up
    account_id: Mapped[str] = mapped_column(String(255))
    account_label: Mapped[str] = mapped_column(String(255))
    scopes_asked: Mapped[list[str]] = mapped_column(JSON)
    scopes_granted: Mapped[list[str]] = mapped_column(JSON)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    authorized_at: Mapped[datetime] = mapped_column(default=now)  # when the user last consented
    token_at: Mapped[datetime] = mapped_column(default=now)  # when the stored token came
    expires_at: Mapped[datetime | None]  # of the access token, where the provider said it
    refresh_expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime] = mapped_column(default=now)

    links: Mapped[list[ServiceConnection]] = relationship(
        back_populates="grant", order_by="ServiceConnection.service_id", cascade="all", passive_deletes=True
    )

    def seal(self, vault: Vault, tokens: Tokens) -> None:
        """Keep these tokens. The row must have its id: it is part of what the seal is bound to."""
        self.sealed = vault.seal(tokens.to_bytes(), *self.place(self))

    def open(self, vault: Vault) -> Tokens:
        """Return the tokens, or raise SealBroken."""
        return Tokens.from_bytes(vault.open(self.sealed, *self.place(self)))

    def remaining(self, at: datetime) -> timedelta | None:
        """How long the access token lives; None: the provider set no end."""
        return None if self.expires_at is None else self.expires_at - at

    def is_over(self, at: datetime) -> bool:
        remaining = self.remaining(at)
        return remaining is not None and remaining <= timedelta(0)

    def lives_for(self, min_ttl: timedelta, at: datetime) -> bool:
        """Tell whether the access token lives so long; half of its whole life is always long enough."""
        remaining = self.remaining(at)
        if self.expires_at is None or remaining is None:
            return True
        return not self.is_over(at) and remaining >= min(min_ttl, (self.expires_at - self.token_at) / 2)

    def use(self, at: datetime, unused_token_days: int | None) -> None:
        """Note that the token was used: one without an end of its own ends so many days later."""
        self.last_used_at = at
        if self.expires_at is None and unused_token_days is not None:
            self.end_by(at + timedelta(days=unused_token_days))

    def token_ends_at(self, unused_token_days: int | None) -> datetime | None:
        """When the access token ends: as the provider said, or so many days after its last use."""
        if self.expires_at is None and unused_token_days is not None:
            return self.last_used_at + timedelta(days=unused_token_days)
        return self.expires_at

    @staticmethod
    def place(row: Any) -> tuple[str | int, ...]:
        """Return what the seal is bound to. `row` is an object, or a plain row of the columns `BOUND_TO`."""
        return ("grants", row.id, row.incarnation, row.user_id, row.provider, "tokens", row.account_id)


class ServiceConnection(Base):
    """A user's connection to a service, through a grant. Two services may share one."""

    __tablename__ = "service_connections"
    __table_args__ = (UniqueConstraint("user_id", "service_id"), NEVER_REUSED)

    id: Mapped[PrimaryKey]
    user_id: Mapped[int] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"))
    service_id: Mapped[int] = mapped_column(Id, ForeignKey("services.id"))
    grant_id: Mapped[int] = mapped_column(Id, ForeignKey("grants.id", ondelete="CASCADE"), index=True)
    connected_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)

    grant: Mapped[Grant] = relationship(back_populates="links")
    service: Mapped[Service] = relationship()
