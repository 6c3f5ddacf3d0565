"""What is kept elsewhere than in the database: sessions and limits in Redis, answers on this node's disk."""

from __future__ import annotations

from collections.abc import Iterator

from redis import RedisError

from app.extensions import redis, spool
from app.services import parts

from .finding import Finding, ok, problem, warning

EVICTS_NOTHING = "noeviction"


def examine() -> Iterator[Finding]:
    yield _redis()
    yield _spool()


def _redis() -> Finding:
    if not redis:
        return ok("redis", "There is none: sessions are in the database, limits in each process.")
    if not parts.redis_answers():
        return problem("redis", "It does not answer.", "Check REDIS_URL, and that the server runs.")
    policy = _policy()
    if policy not in (None, EVICTS_NOTHING):
        what = f"It may drop sessions before their time (maxmemory-policy {policy})."
        return warning("redis", what, f"Set maxmemory-policy to {EVICTS_NOTHING}.")
    return ok("redis", "It answers, and keeps what it is given.")


def _policy() -> str | None:
    """Return what Redis does when its memory is full; None where it has no limit, or does not tell."""
    try:
        found = redis.config_get("maxmemory*") if redis else {}
    except RedisError:
        return None
    plain = {str(name): str(value) for name, value in found.items()}
    return plain.get("maxmemory-policy") if plain.get("maxmemory", "0") != "0" else None


def _spool() -> Finding:
    if not parts.spool_takes():
        what = "Nothing can be kept in SPOOL_DIR: no token is renewed on this node."
        return problem("spool", what, "Give this service a folder of its own that it may write to.")
    waiting = len(spool.entries())
    if waiting:
        what = f"Answers that wait for the database or for a key: {waiting}."
        return warning("spool", what, "They are stored within 30 seconds of both being back.")
    return ok("spool", "Answers can be kept, and none waits.")
