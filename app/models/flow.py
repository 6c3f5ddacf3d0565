"""What is under way: flows that wait for a browser or a user, tokens that wait for their end."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Boolean, ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.vault import Vault

from .base import NEVER_REUSED, Base, Id, PrimaryKey, now
from .grant import Tokens


class Flow(Base):
    """A pending flow, keyed by the hash of the secret that brings it back: its state, or a ticket.

    Stages: `ticket` waits for a browser to begin, `asked` waits for the provider's callback, `answered`
    waits for the user to confirm a provider account. Each is consumed by one DELETE.
    """

    __tablename__ = "flows"
    __table_args__ = (Index("ix_flows_user_id_expires_at", "user_id", "expires_at"),)
    BOUND_TO: ClassVar = ("key", "user_id", "provider", "stage")

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    stage: Mapped[str] = mapped_column(String(16))
    provider: Mapped[str] = mapped_column(String(64))
    service: Mapped[str] = mapped_column(String(64))  # the one whose start was called
    user_id: Mapped[int] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"))
    browser: Mapped[str | None] = mapped_column(String(64), index=True)  # hash of its name; null: unbound
    redirect_uri: Mapped[str | None] = mapped_column(Text)
    return_to: Mapped[str | None] = mapped_column(Text)
    replace: Mapped[bool] = mapped_column(Boolean, default=False)
    missing_only: Mapped[bool] = mapped_column(Boolean, default=False)  # ask for what was not granted
    straight_on: Mapped[bool] = mapped_column(Boolean, default=False)  # a ticket that asks nothing
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)  # the PKCE verifier, then the token answer
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime] = mapped_column(index=True)

    def seal(self, vault: Vault, plaintext: bytes) -> None:
        self.sealed = vault.seal(plaintext, *self.place(self))

    def open(self, vault: Vault) -> bytes:
        return vault.open(self.sealed or b"", *self.place(self))

    @staticmethod
    def place(row: Any) -> tuple[str | int, ...]:
        """Return what the seal is bound to. `row` is an object, or a plain row of the columns `BOUND_TO`."""
        return ("flows", row.key, "", row.user_id, row.provider, row.stage)


class Revocation(Base):
    """A token that must be ended at its provider and may not be yet. It outlives its user."""

    __tablename__ = "revocations"
    __table_args__ = NEVER_REUSED
    BOUND_TO: ClassVar = ("id", "incarnation", "user_id", "provider", "account_id")

    id: Mapped[PrimaryKey]
    incarnation: Mapped[str] = mapped_column(String(32), default=lambda: secrets.token_hex(16))
    user_id: Mapped[int] = mapped_column(Id, index=True)  # no foreign key: the account may be deleted
    provider: Mapped[str] = mapped_column(String(64))
    account_id: Mapped[str] = mapped_column(String(255))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime | None]  # of the access token
    created_at: Mapped[datetime] = mapped_column(default=now)
    attempts: Mapped[int] = mapped_column(default=0)
    retry_at: Mapped[datetime | None] = mapped_column(index=True)  # null: at once

    def seal(self, vault: Vault, tokens: Tokens) -> None:
        self.sealed = vault.seal(tokens.to_bytes(), *self.place(self))

    def open(self, vault: Vault) -> Tokens:
        return Tokens.from_bytes(vault.open(self.sealed, *self.place(self)))

    @staticmethod
    def place(row: Any) -> tuple[str | int, ...]:
        """Return what the seal is bound to. `row` is an object, or a plain row of the columns `BOUND_TO`."""
        return ("revocations", row.id, row.incarnation, row.user_id, row.provider, "tokens", row.account_id)
