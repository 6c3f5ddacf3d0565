"""Users of a host application: known by its `user_id`, and made from its claims where that is asked for."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from unicodedata import normalize

from sqlalchemy import ColumnElement, and_, bindparam, exists, or_, select, update
from sqlalchemy.exc import IntegrityError

from app.errors import TokenInvalid
from app.extensions import db, direct, reading, settings
from app.models import Departure, User
from app.models.base import Id
from app.models.direct import Statement
from app.usernames import key_of, problem_with

from . import audit
from .claims import is_moment

log = logging.getLogger(__name__)


def _found_by(means: ColumnElement[bool]) -> Statement:
    """Return what finds a user so; of two, the one that has the host application's id."""
    return Statement(
        select(User.id, User.username, User.username_key, User.disabled_at)
        .where(means)
        .order_by(User.external_id.is_(None))
        .limit(1)
    )


_EXTERNAL_ID = bindparam("external_id", type_=Id)
_BY_HOSTS_ID = _found_by(User.external_id == _EXTERNAL_ID)
_BY_EITHER_ID = _found_by(
    or_(
        User.external_id == _EXTERNAL_ID,
        and_(
            User.id == _EXTERNAL_ID,
            User.external_id.is_(None),
            ~exists().where(Departure.external_id == _EXTERNAL_ID),
        ),
    )
)


class Known(NamedTuple):
    """A user as the door needs it."""

    id: int
    username: str
    username_key: str
    disabled_at: datetime | None


def user_of(claims: Mapping[str, Any]) -> Known:
    """Return the user whom a host application's claims mean. Where that is asked for, one who is not known is
    made, and one who has another name now gets it.

    Raises TokenInvalid: nobody, somebody who was shut out or who left, or claims that make no user.
    """
    provision, user = settings.tokens.provision_users, _find(claims["user_id"])
    if provision and user is None:
        user = _provisioned(claims)
    if user is None or user.disabled_at is not None:
        raise TokenInvalid
    return _named_anew(user, claims) if provision else user


def _find(external_id: int) -> Known | None:
    """Find the user that the host application knows by this id.

    Where nobody is provisioned, its ids may be our own: but not that of somebody who was removed.
    """
    by = _BY_HOSTS_ID if settings.tokens.provision_users else _BY_EITHER_ID
    found = direct.first(by, external_id=external_id)
    return None if found is None else Known(*found)


def _provisioned(claims: Mapping[str, Any]) -> Known:
    """Make this user, or find it where another request made it in this very moment."""
    external_id, username = claims["user_id"], _username_in(claims)
    if username is None:
        log.error("USERNAME_CLAIM: there is no usable name for user_id %s in that claim", external_id)
        raise TokenInvalid
    _refuse_departed(external_id, claims)
    _add(external_id, username)
    user = _find(external_id)
    if user is None:
        log.error("USERNAME_CLAIM: another user has the name of user_id %s here", external_id)
        raise TokenInvalid
    return user


def _refuse_departed(external_id: int, claims: Mapping[str, Any]) -> None:
    """Raise TokenInvalid where this user was removed since the token was issued; else forget the removal."""
    departure = db.session.get(Departure, external_id, with_for_update=True)
    if departure is None:
        return
    if not _is_issued_after(departure.at, claims):
        db.session.rollback()
        raise TokenInvalid
    db.session.delete(departure)


def _add(external_id: int, username: str) -> None:
    """Add a user and end the transaction, without an effect where this id or this name has one."""
    user = User(
        external_id=external_id,
        username=username,
        username_key=key_of(username),
        email="",
        email_key=f"external:{external_id}",  # which no address can be
        password_hash="",  # which no password fits
    )
    db.session.add(user)
    try:
        db.session.flush()
        audit.record("user.provision", user_id=user.id, target=username, detail=f"user_id {external_id}")
        db.session.commit()
    except IntegrityError:
        db.session.rollback()


def _named_anew(user: Known, claims: Mapping[str, Any]) -> Known:
    """Return the user under the name of these claims; under the one it has where that is no use, or taken."""
    username = _username_in(claims)
    if username is None or username == user.username:
        return user
    if not _rename(user, username):
        log.warning("USERNAME_CLAIM: another user has the new name of user_id %s here", claims["user_id"])
        return user
    return user._replace(username=username, username_key=key_of(username))


def _rename(user: Known, username: str) -> bool:
    """Give this user another name; tell whether it is free."""
    if _is_taken(username, user.id):
        return False
    renaming = (
        update(User)
        .where(User.id == user.id, User.username == user.username)
        .values(username=username, username_key=key_of(username))
        .returning(User.id)
    )
    try:
        if db.session.scalar(renaming) is not None:  # else another request has done it
            audit.record("user.rename", user_id=user.id, target=username, detail=f"was {user.username}")
        db.session.commit()
    except IntegrityError:  # somebody took it in this very moment
        db.session.rollback()
        return False
    return True


def _is_taken(username: str, user_id: int) -> bool:
    reading()
    others = select(User.id).where(User.username_key == key_of(username), User.id != user_id)
    found = db.session.scalar(others)
    db.session.rollback()
    return found is not None


def _username_in(claims: Mapping[str, Any]) -> str | None:
    """Return the name that these claims give, or None where it is none by the rules of registration."""
    username = claims.get(settings.tokens.username_claim)
    if not isinstance(username, str) or not username or problem_with(username):
        return None
    return normalize("NFC", username)


def _is_issued_after(moment: datetime, claims: Mapping[str, Any]) -> bool:
    issued_at = claims.get("iat")
    return is_moment(issued_at) and issued_at > moment.timestamp()
