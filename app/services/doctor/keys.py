"""Keys: those that are in use, and what they do not open."""

from __future__ import annotations

from collections.abc import Iterator

from app.extensions import settings, vault
from app.services import readiness, rotation

from .finding import Finding, ok, problem, warning

MOST_NAMED = 5


def examine() -> Iterator[Finding]:
    used = readiness.compare()
    yield from _old(used - {vault.primary})
    yield _unreadable()
    if len(settings.tokens.secret_keys) > 1:
        what = "JWT_SECRET_KEY holds two keys: a rotation is not finished."
        yield warning("keys", what, "Take the older one out when JWT_REFRESH_TTL has passed.")


def _old(key_ids: frozenset[str]) -> Iterator[Finding]:
    if key_ids:
        what = f"Older keys still seal something: {', '.join(sorted(key_ids))}."
        yield warning("keys", what, "Run: flask --app wsgi keys rotate.")


def _unreadable() -> Finding:
    broken = rotation.verify()
    if not broken:
        return ok("keys", "Everything that is sealed opens.")
    named = ", ".join(f"{one.table} {one.id}" for one in broken[:MOST_NAMED])
    more = f" and {len(broken) - MOST_NAMED} more" if len(broken) > MOST_NAMED else ""
    return problem(
        "keys",
        f"Sealed rows do not open: {named}{more}.",
        "Put the key that sealed them into ENCRYPTION_KEYS, restore them, or let their owners replace them; "
        "flask --app wsgi keys verify lists all.",
    )
