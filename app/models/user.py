"""People: who they are here, and where they are signed in."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, ForeignKey, String, Text, func
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from .base import NEVER_REUSED, Base, Id, PrimaryKey, now


class User(Base):
    """`username_key` and `email_key` are the casefolded names: two that differ in case only are one."""

    __tablename__ = "users"
    __table_args__ = NEVER_REUSED

    id: Mapped[PrimaryKey]
    username: Mapped[str] = mapped_column(String(64))
    username_key: Mapped[str] = mapped_column(String(256), unique=True)
    email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(1024), unique=True)
    password_hash: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)
    disabled_at: Mapped[datetime | None]
    # What a host application that issues the tokens calls this user; null: the account is our own.
    external_id: Mapped[int | None] = mapped_column(Id, unique=True, index=True)

    @hybrid_property
    def shown_id(self) -> int:
        """The `user_id` that callers see and send."""
        return self.id if self.external_id is None else self.external_id

    @shown_id.inplace.expression
    @classmethod
    def _shown_id(cls) -> ColumnElement[int]:
        return func.coalesce(cls.external_id, cls.id)

    @property
    def known_email(self) -> str | None:
        """The address; a host application tells none of its users'."""
        return self.email or None


class Departure(Base):
    """A user of a host application who was removed here: tokens from before do not bring them back."""

    __tablename__ = "departures"

    external_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(default=now)


class Login(Base):
    """One signed-in client. Its access and refresh tokens name it, and end with it."""

    __tablename__ = "logins"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"), index=True)
    refresh_id: Mapped[str] = mapped_column(String(64))  # the jti of the one refresh token that still works
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class LoginFailure(Base):
    """A failed attempt to sign in. Counted by user and address together, so that nobody locks another out."""

    __tablename__ = "login_failures"

    id: Mapped[PrimaryKey]
    who: Mapped[str] = mapped_column(String(64), index=True)  # SHA-256 of the name tried and the address
    at: Mapped[datetime] = mapped_column(default=now)
