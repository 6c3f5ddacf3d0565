"""The service's own accounts: register, sign in, change the password, leave."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from unicodedata import normalize

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from app.errors import (
    EmailTaken,
    InvalidCredentials,
    TokenInvalid,
    UsernameTaken,
    UserNotFound,
    WrongPassword,
)
from app.extensions import db, reading
from app.models import Departure, Grant, Login, User, now
from app.usernames import key_of

from . import audit, ending, passwords, revocations, spooled
from .bearer import TokenPair, begin_login
from .sparing import queue_unconfirmed


@dataclass(frozen=True, slots=True)
class SignedIn:
    user: User
    tokens: TokenPair


def register(*, username: str, email: str, password: str, life: timedelta | None = None) -> SignedIn:
    """Add a user and sign them in, for so long. Raises UsernameTaken or EmailTaken."""
    user = _add(username=username, email=email, password=password)
    audit.record("user.register", user_id=user.id)
    tokens = begin_login(user.id, life)
    db.session.commit()
    return SignedIn(user, tokens)


def create(*, username: str, email: str, password: str) -> User:
    """Add a user on the operator's behalf."""
    user = _add(username=username, email=email, password=password)
    audit.record("user.create", user_id=user.id)
    db.session.commit()
    return user


def login(
    *,
    password: str,
    address: str,
    username: str | None = None,
    email: str | None = None,
    life: timedelta | None = None,
) -> SignedIn:
    """Sign in by username or email, for so long.

    Raises InvalidCredentials, or TooManyAttempts with a time to wait. The two are never mixed:
    one user's username may be another's email.
    """
    column, name = (User.username_key, username) if username else (User.email_key, email or "")
    reading()
    found = select(User.id, User.password_hash).where(column == key_of(name), User.disabled_at.is_(None))
    user_id, password_hash = db.session.execute(found).one_or_none() or (None, None)
    db.session.rollback()
    whose = f"{column.key}\n{key_of(name)}"
    if not passwords.attempt(password_hash, password, whose=whose, address=address, user_id=user_id):
        audit.record("user.login_refused", user_id=user_id)
        db.session.commit()
        raise InvalidCredentials
    newer_hash = passwords.renewed(password_hash, password)
    user = db.session.scalar(select(User).where(User.id == user_id).with_for_update())
    if user is None or user.password_hash != password_hash:  # changed in this very moment
        raise InvalidCredentials
    user.password_hash = newer_hash or user.password_hash
    tokens = begin_login(user.id, life)
    audit.record("user.login", user_id=user.id)
    db.session.commit()
    return SignedIn(user, tokens)


def profile(user_id: int) -> User:
    reading()
    user = db.session.get(User, user_id)
    if user is None:
        raise TokenInvalid
    return user


def change_password(
    *, user_id: int, login_id: str | None, current_password: str, new_password: str, address: str
) -> None:
    """Set a new password and end every other login. Raises WrongPassword, TooManyAttempts."""
    password_hash = passwords.hashed(new_password)
    user = _prove(user_id, current_password, address)
    user.password_hash = password_hash
    others = delete(Login).where(Login.user_id == user_id)
    db.session.execute(others if login_id is None else others.where(Login.id != login_id))
    audit.record("user.password", user_id=user_id)
    db.session.commit()


def leave(*, user_id: int, password: str, address: str) -> None:
    """Remove a user and all that is theirs, and end their grants at the providers.

    Raises WrongPassword, TooManyAttempts.
    """
    spooled.catch_up(user_id)
    _remove(_prove(user_id, password, address))


def remove_named(*, username: str) -> None:
    """Remove a user on the operator's behalf. Raises UserNotFound."""
    spooled.catch_up(named(username).id)
    _remove(named(username))


def _remove(user: User) -> None:
    """Remove this user, whose row the transaction has locked."""
    user_id = user.id
    grants = db.session.scalars(select(Grant).where(Grant.user_id == user_id).with_for_update()).all()
    queued = [revocations.queue_grant(grant) for grant in grants] + queue_unconfirmed(user_id)
    audit.record("user.delete", user_id=user_id)
    if user.external_id is not None:
        db.session.merge(Departure(external_id=user.external_id, at=now()))
    db.session.delete(user)
    db.session.commit()
    ending.run(queued)


def reset_password(*, username: str, password: str) -> None:
    """Set a password on the operator's behalf, and end every login. Raises UserNotFound."""
    password_hash = passwords.hashed(password)
    user = named(username)
    user.password_hash = password_hash
    db.session.execute(delete(Login).where(Login.user_id == user.id))
    audit.record("user.password_reset", user_id=user.id)
    db.session.commit()


def set_disabled(*, username: str, disabled: bool) -> None:
    """Shut a user out and end every login, or let them in again. Raises UserNotFound."""
    user = named(username)
    user.disabled_at = now() if disabled else None
    db.session.execute(delete(Login).where(Login.user_id == user.id))  # not even when they are let in again
    audit.record("user.disable" if disabled else "user.enable", user_id=user.id)
    db.session.commit()


def named(username: str) -> User:
    """Return the user of this name, locked. Raises UserNotFound."""
    user = db.session.scalar(select(User).where(User.username_key == key_of(username)).with_for_update())
    if user is None:
        raise UserNotFound
    return user


def found(*, username: str) -> User:
    """Return the user of this name, to be read alone. Raises UserNotFound."""
    reading()
    user = db.session.scalar(select(User).where(User.username_key == key_of(username)))
    if user is None:
        db.session.rollback()
        raise UserNotFound
    return user


def id_of(*, username: str) -> int:
    """Return the id of the user of this name, for other verbs. Raises UserNotFound."""
    user_id = found(username=username).id
    db.session.rollback()
    return user_id


def every_user() -> list[User]:
    reading()
    return list(db.session.scalars(select(User).order_by(User.id)))


def _add(*, username: str, email: str, password: str) -> User:
    password_hash = passwords.hashed(password)  # before the transaction: it takes a while
    user = User(
        username=normalize("NFC", username),
        username_key=key_of(username),
        email=email,
        email_key=key_of(email),
        password_hash=password_hash,
    )
    _refuse_taken(user)
    db.session.add(user)
    try:
        db.session.flush()
    except IntegrityError:  # somebody took it in this very moment
        db.session.rollback()
        _refuse_taken(user)
        raise UsernameTaken from None
    return user


def _refuse_taken(user: User) -> None:
    if db.session.scalar(select(User.id).where(User.username_key == user.username_key)):
        raise UsernameTaken
    if db.session.scalar(select(User.id).where(User.email_key == user.email_key)):
        raise EmailTaken


def _prove(user_id: int, password: str, address: str) -> User:
    """Return the user, locked, if this is the password. Raises WrongPassword, TooManyAttempts."""
    reading()
    password_hash = db.session.scalar(select(User.password_hash).where(User.id == user_id))
    db.session.rollback()
    whose = f"id\n{user_id}"
    proven = passwords.attempt(password_hash, password, whose=whose, address=address, user_id=user_id)
    user = db.session.scalar(select(User).where(User.id == user_id).with_for_update())
    if not proven or user is None or user.password_hash != password_hash:
        audit.record("user.password_refused", user_id=user_id)
        db.session.commit()
        raise WrongPassword
    return user
