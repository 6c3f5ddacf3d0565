"""Service keys: how a program acts for users. Shown once, kept as a hash, good for its scopes alone."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import String, and_, bindparam, or_, outerjoin, select, update
from sqlalchemy.exc import IntegrityError

from app.errors import ServiceKeyNotFound, ServiceKeyTaken, TokenInvalid
from app.extensions import db, direct, reading
from app.models import ServiceKey, ServiceKeyUser, User, clock, moment, now
from app.models.base import Id
from app.models.direct import Row, Statement
from app.usernames import key_if_possible

from . import accounts, audit
from .standing import Caller

PREFIX = "latchkey_"  # so that scanners for leaked secrets can tell it
USED_WITHIN = timedelta(minutes=1)  # a busy key need not be written to at each request

_FORM = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")

_THIS_USER = and_(User.username_key == bindparam("username_key", type_=String()), User.disabled_at.is_(None))
_LINK = and_(ServiceKeyUser.key_id == ServiceKey.id, ServiceKeyUser.user_id == User.id)

# The key, what time it is, whether it is for the user that it names, and that user.
_SHOWN = Statement(
    select(
        ServiceKey.id,
        ServiceKey.name,
        ServiceKey.scopes,
        ServiceKey.for_all,
        ServiceKey.last_used_at,
        clock(),
        ServiceKeyUser.key_id,
        User.id,
        User.shown_id,
        User.username,
        User.username_key,
    )
    .select_from(outerjoin(ServiceKey, User, _THIS_USER).outerjoin(ServiceKeyUser, _LINK))
    .where(
        ServiceKey.hash == bindparam("hash", type_=String()),
        ServiceKey.revoked_at.is_(None),
        or_(ServiceKey.expires_at.is_(None), ServiceKey.expires_at > moment()),
    )
)
_NOTE_USE = Statement(
    update(ServiceKey).where(ServiceKey.id == bindparam("key_id", type_=Id)).values(last_used_at=clock())
)


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
    row = direct.first(_SHOWN, hash=_hash(key), username_key=key_if_possible(username or ""))
    if row is None:
        raise TokenInvalid
    acting, is_idle = _acting(row)
    if is_idle:
        direct.write(_NOTE_USE, key_id=acting.key_id)
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


def _acting(shown: Row) -> tuple[Acting, bool]:
    """Return what a row of `_SHOWN` says, and whether the key's last use is to be noted anew."""
    key_id, key_name, scopes, for_all, last_used_at, at, link, *user = shown
    may_act = user[0] is not None and (for_all or link is not None)
    is_idle = last_used_at is None or at - last_used_at > USED_WITHIN
    return Acting(key_id, key_name, frozenset(scopes), Caller(*user) if may_act else None), is_idle


def _hash(key: str) -> str:
    """Return what is kept of a key. Its 256 random bits need no slow hash."""
    return hashlib.sha256(key.encode()).hexdigest()
