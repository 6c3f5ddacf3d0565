"""Passwords: hashed with Argon2id, and judged more and more slowly where guesses fail.

No transaction is open while a password is hashed or judged: it takes tens of milliseconds.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from datetime import timedelta

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from argon2.low_level import ARGON2_VERSION
from sqlalchemy import delete, func, select

from app.errors import TooManyAttempts
from app.extensions import db
from app.models import LoginFailure, now
from app.oauth.flow import fingerprint
from app.waiting import waiting

from . import audit

FREE_FAILURES = 5  # within WINDOW; after that each further one doubles the wait
WINDOW = timedelta(minutes=15)

# Argon2id as OWASP's Password Storage Cheat Sheet has it: 19 MiB, two passes, one lane.
_hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)


def _of_nobody() -> str:
    """Return a hash that no password has, made up at the cost of the others."""
    salt, digest = (
        b64encode(secrets.token_bytes(length)).rstrip(b"=").decode()
        for length in (_hasher.salt_len, _hasher.hash_len)
    )
    cost = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${cost}${salt}${digest}"


_NOBODY = _of_nobody()  # so that an unknown user costs as much as a known one


def hashed(password: str) -> str:
    with waiting.long():
        return _hasher.hash(password)


def renewed(password_hash: str | None, password: str) -> str | None:
    """Return a hash of today's cost where the stored one has another."""
    outdated = password_hash is not None and _hasher.check_needs_rehash(password_hash)
    return hashed(password) if outdated else None


def attempt(
    password_hash: str | None, password: str, *, whose: str, address: str, user_id: int | None
) -> bool:
    """Tell whether this is the password; None is nobody's. Raises TooManyAttempts with a time to wait.

    Failures are counted for `whose` and the address together, so that nobody can lock another out.
    `user_id` is who may read of it in their audit.
    """
    who = fingerprint(f"{whose}\n{address}")
    _count(who, user_id)
    if not _verify(password_hash or _NOBODY, password) or password_hash is None:
        return False
    db.session.execute(delete(LoginFailure).where(LoginFailure.who == who))
    db.session.commit()
    return True


def _verify(password_hash: str, password: str) -> bool:
    try:
        with waiting.long():
            return _hasher.verify(password_hash, password)
    except VerificationError:
        return False


def _count(who: str, user_id: int | None) -> None:
    """Count an attempt before it is judged, so that many at once count as many. Raises TooManyAttempts."""
    this = LoginFailure(who=who)
    db.session.add(this)
    db.session.commit()
    earlier = LoginFailure.who == who, LoginFailure.id < this.id, LoginFailure.at > now() - WINDOW
    count, last = db.session.execute(select(func.count(), func.max(LoginFailure.at)).where(*earlier)).one()
    if count >= FREE_FAILURES:
        wait = min(2 ** (count - FREE_FAILURES + 1), WINDOW.seconds) - (now() - last).total_seconds()
        if wait > 0:
            db.session.delete(this)  # a refused attempt does not prolong the wait
            audit.record("user.slowed_down", user_id=user_id)
            db.session.commit()
            raise TooManyAttempts(retry_after=int(wait) + 1)
    db.session.rollback()
