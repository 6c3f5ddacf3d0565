"""Which part of the service does not work: what nothing can be served without, and what some things need."""

from __future__ import annotations

from redis import RedisError
from sqlalchemy.exc import SQLAlchemyError

from app.extensions import redis, spool

from . import readiness


def stopping() -> str | None:
    """Return the part without which nothing can be served, or None."""
    try:
        readiness.check()
        readiness.check_writing()
    except readiness.StoreMismatch:
        return "schema or keys"
    except SQLAlchemyError:
        return "database"
    return None


def lacking() -> str | None:
    """Return a part that some things need and others do not, or None. Tokens are handed out without either.

    No flow begins without Redis, and no token is renewed without the spool.
    """
    if not redis_answers():
        return "redis"
    return None if spool_takes() else "spool"


def redis_answers() -> bool:
    """Tell whether Redis answers within a second; yes where there is none to ask."""
    try:
        return not redis or bool(redis.ping())
    except RedisError:
        return False


def spool_takes() -> bool:
    """Tell whether an answer could be kept on this node's disk."""
    try:
        with spool.reserve():
            return True
    except OSError:
        return False
