"""Keys of programs that act for users: a workflow engine, a backend. Only the hash of one is kept."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, Boolean, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from .base import NEVER_REUSED, Base, Id, PrimaryKey, now


class ServiceKey(Base):
    """`for_all` acts for every user; otherwise for those of its ServiceKeyUser rows alone."""

    __tablename__ = "service_keys"
    __table_args__ = NEVER_REUSED

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(String(64), unique=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)  # SHA-256, as hex: the key is random enough
    scopes: Mapped[list[str]] = mapped_column(JSON)
    for_all: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class ServiceKeyUser(Base):
    """A user that a service key may act for."""

    __tablename__ = "service_key_users"

    key_id: Mapped[int] = mapped_column(
        Id, ForeignKey("service_keys.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[int] = mapped_column(
        Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True
    )
