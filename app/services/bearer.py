"""Whose a JWT is. Ours are made by flask-jwt-extended with `user_id` as identity; the database ends them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from flask_jwt_extended import create_access_token, create_refresh_token
from sqlalchemy import String, and_, bindparam, delete, select, update

from app.errors import TokenInvalid, TokenPayloadInvalid
from app.extensions import callers, db, direct, settings
from app.models import Login, User, now
from app.models.direct import Statement

from . import audit, claims, provisioning
from .standing import USER_ID, Caller

_SAID = bindparam("login_id", type_=String())
_CALLER = select(User.id, User.shown_id, User.username, User.username_key, Login.id)
_SIGNED_IN = Statement(
    _CALLER.outerjoin(Login, and_(Login.user_id == User.id, Login.id == _SAID)).where(
        User.id == USER_ID, User.disabled_at.is_(None)
    )
)
_OF_LOGIN = Statement(
    _CALLER.join(Login, Login.user_id == User.id).where(
        Login.id == _SAID,
        Login.expires_at > bindparam("at", type_=Login.expires_at.type),
        User.disabled_at.is_(None),
    )
)


@dataclass(frozen=True, slots=True)
class TokenPair:
    """The two tokens of a login, and its id, which both of them name."""

    login_id: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)


def begin_login(user_id: int, life: timedelta | None = None) -> TokenPair:
    """Add a login for this user to the transaction under way, and return its tokens.

    It ends after `life`; left out: after JWT_REFRESH_TTL.
    """
    login = Login(
        id=secrets.token_hex(16),
        user_id=user_id,
        refresh_id=secrets.token_hex(16),
        expires_at=_login_ends_at() if life is None else now() + life,
    )
    db.session.add(login)
    return _pair(user_id, login.id, login.refresh_id)


def renew_login(token: str) -> TokenPair:
    """Exchange a refresh token for a new pair. One that was used before ends its login (RFC 9700, 4.14.2)."""
    said = claims.judged(token, claims.REFRESH)
    caller = _signed_in(said)
    successor = secrets.token_hex(16)
    renewed = db.session.execute(
        update(Login)
        .where(Login.id == caller.login_id, Login.refresh_id == str(said.get("jti")))
        .values(refresh_id=successor, expires_at=_login_ends_at())
        .returning(Login.id)
    ).scalar()
    if renewed is None:
        db.session.execute(delete(Login).where(Login.id == caller.login_id))
        audit.record("user.token_reused", user_id=caller.user_id)
        db.session.commit()
        raise TokenInvalid
    db.session.commit()
    return _pair(caller.user_id, renewed, successor)


def end_login(caller: Caller) -> None:
    """End this login: its access and its refresh token."""
    db.session.execute(delete(Login).where(Login.id == caller.login_id))
    audit.record("user.logout", user_id=caller.user_id)
    db.session.commit()


def authenticate(token: str) -> Caller:
    """Return whose access token this is.

    Raises TokenPayloadInvalid when the token is good but `user_id` is absent or no integer, and
    TokenInvalid for anything else: the form, the signature, the time, a user or a login that has ended.
    Raises IssuerKeysUnavailable where the keys of whoever issues the tokens cannot be had.
    """
    said = claims.judged(token, claims.ACCESS)
    caller = _signed_in(said) if settings.accounts_enabled else _of_host(said)
    callers.keep(claims.digest(token), caller, until=int(said["exp"]))
    return caller


def recall(token: str) -> Caller:
    """Return whose access token this was when it was last authenticated, or authenticate it.

    Whatever is read or done for them then must ask whether they still stand (`standing`). Whom a host
    application means by its ids may change, and is asked each time.
    """
    claims.judged(token, claims.ACCESS)
    known = callers.get(claims.digest(token)) if settings.accounts_enabled else None
    return known or authenticate(token)


def hosted(said: Mapping[str, Any]) -> Caller:
    """Return who is signed in at the host application, by what its user loader says: claims, as of its JWTs.

    Raises TokenInvalid: claims without a good `user_id`, nobody here, or somebody who was shut out.
    """
    try:
        claims.check_user_id(said)
    except TokenPayloadInvalid:
        raise TokenInvalid from None
    return _of_host(said)


def _of_host(said: Mapping[str, Any]) -> Caller:
    user = provisioning.user_of(said)
    return Caller(user.id, said["user_id"], user.username, user.username_key)


def of_login(login_id: str) -> Caller | None:
    """Return whose login this is; None where it has ended, or its user was shut out."""
    found = direct.first(_OF_LOGIN, login_id=login_id, at=now())
    return None if found is None else Caller(*found)


def _signed_in(said: dict[str, Any]) -> Caller:
    """Return the user of an account of our own, whose login has not ended."""
    found = direct.first(_SIGNED_IN, user_id=said["user_id"], login_id=str(said.get("sid")))
    if found is None or ("sid" in said and found[4] is None):
        raise TokenInvalid
    return Caller(*found)


def _login_ends_at() -> datetime:
    return now() + timedelta(seconds=settings.tokens.refresh_ttl)


def _pair(user_id: int, login_id: str, refresh_id: str) -> TokenPair:
    key_id = {"kid": hashlib.sha256(settings.tokens.secret_keys[0].encode()).hexdigest()[:8]}
    login = {"sid": login_id}
    return TokenPair(
        login_id,
        create_access_token(user_id, additional_claims=login, additional_headers=key_id),
        create_refresh_token(
            user_id, additional_claims={**login, "jti": refresh_id}, additional_headers=key_id
        ),
    )
