"""Service keys: how a program acts for users. Shown once, kept as a hash, good for its scopes alone."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Select, and_, or_, select, update
from sqlalchemy.exc import IntegrityError

from app.errors import ServiceKeyNotFound, ServiceKeyTaken, TokenInvalid
from app.extensions import db, reading
from app.models import ServiceKey, ServiceKeyUser, User, clock, moment, now
from app.usernames import key_if_possible

from . import accounts, audit
from .standing import Caller

PREFIX = "latchkey_"  # so that scanners for leaked secrets can tell it
USED_WITHIN = timedelta(minutes=1)  # a busy key need not be written to at each request

_FORM = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")


class Scope(StrEnum):
    READ_METADATA = "read_metadata"
    READ_SECRETS = "read_secrets"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Acting:
    """A key that was shown. `caller` is whom it acts for; None: nobody, or one that it may not act for."""

    key_id: int
    key_name: str
    scopes: frozenset[str]
    caller: Caller | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A key as operators see it. `usernames` is None where it may act for everybody."""

    name: str
    scopes: Sequence[str]
    usernames: Sequence[str] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


def is_one(token: str) -> bool:
    """Tell a service key from a JWT, by its form alone."""
    return token.startswith(PREFIX)


def create(*, name: str, scopes: Collection[Scope], usernames: Collection[str], days: int | None) -> str:
    """Make a key, for these users or, where none is named, for all; return it, once.

    Raises UserNotFound, ServiceKeyTaken.
    """
    users = [accounts.named(username).id for username in usernames]
    key = PREFIX + secrets.token_urlsafe(32)
    row = ServiceKey(
        name=name,
        hash=_hash(key),
        scopes=sorted(set(scopes)),
        for_all=not usernames,
        expires_at=None if days is None else now() + timedelta(days=days),
    )
    db.session.add(row)
    try:
        db.session.flush()
    except IntegrityError:
        db.session.rollback()
        raise ServiceKeyTaken from None
    db.session.add_all(ServiceKeyUser(key_id=row.id, user_id=user_id) for user_id in set(users))
    told = f"{' '.join(row.scopes)}; for {', '.join(sorted(usernames)) or 'all'}"
    audit.record("service_key.create", user_id=None, target=name, detail=told)
    db.session.commit()
    return key


def authenticate(key: str, username: str | None) -> Acting:
    """Return what this key may do, and for whom. Raises TokenInvalid: unknown, revoked, or over."""
    if not _FORM.fullmatch(key):
        raise TokenInvalid
    reading()
    row = db.session.execute(_shown(key, username)).one_or_none()
    if row is None:
        raise TokenInvalid
    acting, is_idle = _acting(*row)
    db.session.rollback()
    if is_idle:
        _note_use(acting.key_id)
    return acting


def revoke(*, name: str) -> None:
    """End a key, at once. Raises ServiceKeyNotFound."""
    row = db.session.scalar(select(ServiceKey).where(ServiceKey.name == name).with_for_update())
    if row is None:
        raise ServiceKeyNotFound
    row.revoked_at = row.revoked_at or now()
    audit.record("service_key.revoke", user_id=None, target=name)
    db.session.commit()


def every() -> list[Listed]:
    """Return every key, ended ones too, by name."""
    reading()
    users = db.session.execute(
        select(ServiceKeyUser.key_id, User.username).join(User).order_by(User.username_key)
    ).all()
    return [
        Listed(
            name=row.name,
            scopes=row.scopes,
            usernames=None if row.for_all else [name for key_id, name in users if key_id == row.id],
            created_at=row.created_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            last_used_at=row.last_used_at,
        )
        for row in db.session.scalars(select(ServiceKey).order_by(ServiceKey.name))
    ]


def _acting(found: ServiceKey, user: User | None, link: int | None, at: datetime) -> tuple[Acting, bool]:
    """Return what a row of `_shown` says, and whether the key's last use is to be noted anew."""
    caller = None
    if user is not None and (found.for_all or link is not None):
        caller = Caller(user.id, user.shown_id, user.username, user.username_key)
    is_idle = found.last_used_at is None or at - found.last_used_at > USED_WITHIN
    return Acting(found.id, found.name, frozenset(found.scopes), caller), is_idle


def _shown(key: str, username: str | None) -> Select[ServiceKey, User, int, datetime]:
    """One statement: the key, the user that it names, whether it is for that one, and what time it is."""
    this_user = and_(User.username_key == key_if_possible(username or ""), User.disabled_at.is_(None))
    link = and_(ServiceKeyUser.key_id == ServiceKey.id, ServiceKeyUser.user_id == User.id)
    return (
        select(ServiceKey, User, ServiceKeyUser.key_id, clock())
        .select_from(ServiceKey)
        .outerjoin(User, this_user)
        .outerjoin(ServiceKeyUser, link)
        .where(
            ServiceKey.hash == _hash(key),
            ServiceKey.revoked_at.is_(None),
            or_(ServiceKey.expires_at.is_(None), ServiceKey.expires_at > moment()),
        )
    )


def _note_use(key_id: int) -> None:
    db.session.execute(update(ServiceKey).where(ServiceKey.id == key_id).values(last_used_at=clock()))
    db.session.commit()


def _hash(key: str) -> str:
    """Return what is kept of a key. Its 256 random bits need no slow hash."""
    return hashlib.sha256(key.encode()).hexdigest()
