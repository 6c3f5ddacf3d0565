"""Our JWTs: made by flask-jwt-extended with `user_id` as identity, judged strictly, ended by the database."""

from __future__ import annotations

import hashlib
import math
import re
import secrets
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import jwt
from flask_jwt_extended import create_access_token, create_refresh_token
from sqlalchemy import and_, delete, select, update

from app import strict_json
from app.errors import TokenInvalid, TokenPayloadInvalid
from app.extensions import db, reading, settings
from app.models import Login, User, now

ALGORITHM = "HS256"
LONGEST = 4096  # characters
LAST_EXP = 253402300799  # the end of the year 9999
ACCESS, REFRESH = "access", "refresh"

_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_HEADER_TYPES = ("jwt", "at+jwt")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `login_id` is None where the token was not made by a login of ours."""

    user_id: int
    username: str
    username_key: str
    login_id: str | None = None


@dataclass(frozen=True, slots=True)
class TokenPair:
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)


def begin_login(user_id: int) -> TokenPair:
    """Add a login for this user to the transaction under way, and return its tokens."""
    login = Login(
        id=secrets.token_hex(16),
        user_id=user_id,
        refresh_id=secrets.token_hex(16),
        expires_at=now() + timedelta(seconds=settings.jwt_refresh_ttl),
    )
    db.session.add(login)
    return _pair(user_id, login.id, login.refresh_id)


def renew_login(token: str) -> TokenPair:
    """Exchange a refresh token for a new pair. One that was used before ends its login (RFC 9700, 4.14.2)."""
    claims = _claims(token, REFRESH)
    caller = _identify(claims)
    successor = secrets.token_hex(16)
    renewed = db.session.execute(
        update(Login)
        .where(Login.id == caller.login_id, Login.refresh_id == str(claims.get("jti")))
        .values(refresh_id=successor, expires_at=now() + timedelta(seconds=settings.jwt_refresh_ttl))
        .returning(Login.id)
    ).scalar()
    if renewed is None:
        db.session.execute(delete(Login).where(Login.id == caller.login_id))
        db.session.commit()
        raise TokenInvalid
    db.session.commit()
    return _pair(caller.user_id, renewed, successor)


def end_login(login_id: str | None) -> None:
    """End one login: its access and its refresh token."""
    db.session.execute(delete(Login).where(Login.id == login_id))
    db.session.commit()


def authenticate(token: str) -> Caller:
    """Return whose access token this is.

    Raises TokenPayloadInvalid when the token is good but `user_id` is absent or no integer, and
    TokenInvalid for anything else: the form, the signature, the time, a user or a login that has ended.
    """
    return _identify(_claims(token, ACCESS))


def _identify(claims: dict[str, Any]) -> Caller:
    reading()
    found = db.session.execute(
        select(User.id, User.username, User.username_key, Login.id)
        .outerjoin(Login, and_(Login.user_id == User.id, Login.id == str(claims.get("sid"))))
        .where(User.id == claims["user_id"], User.disabled_at.is_(None))
    ).first()
    db.session.rollback()
    if found is None or ("sid" in claims and found[3] is None):
        raise TokenInvalid
    return Caller(*found)


def _pair(user_id: int, login_id: str, refresh_id: str) -> TokenPair:
    key_id = {"kid": hashlib.sha256(settings.jwt_secret_keys[0].encode()).hexdigest()[:8]}
    login = {"sid": login_id}
    return TokenPair(
        create_access_token(user_id, additional_claims=login, additional_headers=key_id),
        create_refresh_token(
            user_id, additional_claims={**login, "jti": refresh_id}, additional_headers=key_id
        ),
    )


def _claims(token: str, kind: str) -> dict[str, Any]:
    """Return the claims of a token of this kind, or raise."""
    if len(token) > LONGEST or not _FORM.fullmatch(token):
        raise TokenInvalid
    header, claims = (_object(part) for part in token.split(".")[:2])
    _check_header(header)
    _check_signature(token)
    _check_claims(claims, kind)
    return claims


def _object(part: str) -> dict[str, Any]:
    """Read one part of the token with the strict parser: PyJWT's takes duplicate claims and NaN."""
    try:
        value = strict_json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        raise TokenInvalid from None
    if not isinstance(value, dict):
        raise TokenInvalid
    return value


def _check_header(header: dict[str, Any]) -> None:
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in _HEADER_TYPES or "crit" in header:
        raise TokenInvalid


def _check_signature(token: str) -> None:
    """Verify signature and times under each of our keys; the algorithm is ours, whatever the header says."""
    for key in settings.jwt_secret_keys:
        try:
            jwt.decode(token, key, algorithms=[ALGORITHM], options=_OPTIONS)
            return
        except jwt.InvalidSignatureError:
            continue  # the other key, while they are rotated
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
            break
    raise TokenInvalid


_OPTIONS: Any = {"require": ["exp"], "verify_sub": False, "verify_jti": False, "verify_aud": False}


def _check_claims(claims: dict[str, Any], kind: str) -> None:
    if not _is_moment(claims.get("exp")) or claims.get("type", ACCESS) != kind:
        raise TokenInvalid
    user_id = claims.get("user_id")
    if type(user_id) is not int:
        raise TokenPayloadInvalid
    if not 0 < user_id < 2**63:
        raise TokenInvalid


def _is_moment(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 0 < value <= LAST_EXP
