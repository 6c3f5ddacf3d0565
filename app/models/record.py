"""What is kept about the service itself: sessions of browsers, the audit, the check values of keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.vault import Vault

from .base import NEVER_REUSED, Base, Id, PrimaryKey, now


class BrowserSession(Base):
    """A browser's server-side session. The id is the hash of what its cookie holds."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class AuditEvent(Base):
    """Something that was done or refused: who, for whom, what, from where. Never a value."""

    __tablename__ = "audit_events"
    __table_args__ = (Index("ix_audit_events_user_id_id", "user_id", "id"), NEVER_REUSED)

    id: Mapped[PrimaryKey]
    at: Mapped[datetime] = mapped_column(default=now)
    user_id: Mapped[int | None] = mapped_column(Id)  # whose; no foreign key: events outlive accounts
    actor: Mapped[str] = mapped_column(String(80))
    action: Mapped[str] = mapped_column(String(64))
    target: Mapped[str] = mapped_column(String(320))
    detail: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(String(64))
    request_id: Mapped[str] = mapped_column(String(64))


class SchemaFloor(Base):
    """The oldest release whose code still works on this schema, by its newest migration. One row.

    A migration that breaks the releases before it puts its own revision here, and is refused by them.
    """

    __tablename__ = "schema_floor"

    revision: Mapped[str] = mapped_column(String(32), primary_key=True)


class KeyCheck(Base):
    """A known text sealed with each key in use: a wrong key with a known id is noticed at the start."""

    __tablename__ = "key_checks"

    KNOWN: ClassVar = b"latchkey"

    key_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(default=now)

    @classmethod
    def of_primary(cls, vault: Vault) -> KeyCheck:
        """Return the check value of the key that seals."""
        check = cls(key_id=vault.primary)
        check.sealed = vault.seal(cls.KNOWN, *cls.place(check))
        return check

    def open(self, vault: Vault) -> bytes:
        """Return the known text, or raise SealBroken."""
        return vault.open(self.sealed, *self.place(self))

    @staticmethod
    def place(row: Any) -> tuple[str | int, ...]:
        """Return what the seal is bound to."""
        return ("key_checks", row.key_id)
