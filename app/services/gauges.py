"""How things stand now, in numbers: what an operator wants to see before somebody complains."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Text, cast, func, select

from app.extensions import db, reading, redis, settings, spool, vault
from app.models import Connection, Grant, Revocation, ServiceConnection, User, clock
from app.oauth.answers import missing_scopes
from app.providers import PROVIDERS, SERVICES, provider_of
from app.version import VERSION

from . import health, parts
from .health import WARN_DAYS, Word

_SERVICES = {service.id: service for service in SERVICES}


@dataclass(frozen=True, slots=True)
class Gauge:
    """One number for each set of the labels' values, which stand in the order of `labels`."""

    name: str
    help: str
    values: Mapping[Any, float]
    labels: tuple[str, ...] = ()


def here() -> list[Gauge]:
    """Return what is known without the database."""
    keys = {(key_id, "true" if key_id == vault.primary else "false"): 1 for key_id in vault.key_ids}
    build = (VERSION, platform.python_version())
    found = [
        Gauge("latchkey_build_info", "Which release this is.", {build: 1}, ("version", "python")),
        Gauge("latchkey_key_in_use", "Encryption keys; the primary one seals.", keys, ("key_id", "primary")),
        Gauge("latchkey_spool_answers", "Answers on this node's disk.", {(): len(spool.entries())}),
    ]
    if redis:
        found.append(Gauge("latchkey_redis_up", "Whether Redis answers.", {(): parts.redis_answers()}))
    return found


def stored() -> list[Gauge]:
    """Return what the database says, in one transaction that only reads. Raises SQLAlchemyError."""
    reading()
    at = db.session.scalars(select(clock())).one()
    found = [gauge for count in _COUNTS for gauge in count(at)]
    db.session.rollback()
    return found


def _users(_: datetime) -> Iterable[Gauge]:
    yield Gauge("latchkey_users", "User accounts.", {(): _number_of(User)})


def _typed_connections(_: datetime) -> Iterable[Gauge]:
    yield Gauge(
        "latchkey_typed_connections",
        "Typed connections and legacy tokens.",
        {(): _number_of(Connection)},
    )


def _number_of(table: type[User] | type[Connection]) -> int:
    return db.session.scalars(select(func.count()).select_from(table)).one()


def _connections(at: datetime) -> Iterable[Gauge]:
    """Count connections as `health.of` judges each; those of the same scopes are judged together."""
    word = health.word_in_sql(at).label("word")
    asked, granted = (cast(scopes, Text) for scopes in (Grant.scopes_asked, Grant.scopes_granted))
    each = select(ServiceConnection.service_id, word, asked.label("asked"), granted.label("granted"))
    alike = each.join(Grant).where(ServiceConnection.service_id.in_(_SERVICES)).subquery()
    rows: Iterable[Any] = db.session.execute(select(*alike.c, func.count()).group_by(*alike.c))
    values = {(service.name, one.value): 0 for service in SERVICES for one in Word}
    for service_id, found, *scopes, number in rows:
        service = _SERVICES[service_id]
        if found == Word.OK.value and missing_scopes(provider_of(service), *map(_list, scopes)):
            found = Word.MISSING_SCOPES.value
        values[service.name, found] += number
    yield Gauge("latchkey_connections", "OAuth connections.", values, ("service", "health"))


def _list(text: str) -> list[str]:
    """Read a stored list; one that was spoiled is as none."""
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return found if isinstance(found, list) else []


def _grants_ending(at: datetime) -> Iterable[Gauge]:
    soon = at + timedelta(days=WARN_DAYS[0])
    ending = select(func.count()).where(Grant.ends_at <= soon, Grant.ended_at.is_(None))
    yield Gauge(
        f"latchkey_grants_ending_{WARN_DAYS[0]}d",
        f"Grants that end within {WARN_DAYS[0]} days unless their users connect again.",
        {(): db.session.scalars(ending).one()},
    )


def _leases(at: datetime) -> Iterable[Gauge]:
    """Count renewals under way, and those that were broken off and that nobody has taken over in time."""
    patience = timedelta(seconds=settings.lease_takeover_after)
    stuck = Grant.attempted_at.is_not(None) & Grant.ended_at.is_(None) & (Grant.lease_until < at - patience)
    both = select(func.count().filter(Grant.lease_until >= at), func.count().filter(stuck))
    held, left = db.session.execute(both.select_from(Grant)).one()
    yield Gauge("latchkey_leases_held", "Renewals under way.", {(): held})
    yield Gauge("latchkey_leases_stuck", "Renewals broken off that nobody has taken over.", {(): left})


def _revocations(at: datetime) -> Iterable[Gauge]:
    queued = select(Revocation.provider, func.count(), func.min(Revocation.created_at))
    rows = db.session.execute(queued.group_by(Revocation.provider)).all()
    values = {(provider.name,): 0 for provider in PROVIDERS} | {(name,): number for name, number, _ in rows}
    age = at - min((since for _, _, since in rows), default=at)
    yield Gauge("latchkey_revocation_queue", "Tokens that wait for their end.", values, ("provider",))
    yield Gauge(
        "latchkey_oldest_revocation_seconds",
        "How long the oldest of them has waited.",
        {(): max(0.0, age.total_seconds())},
    )


_COUNTS: tuple[Callable[[datetime], Iterable[Gauge]], ...] = (
    _users,
    _typed_connections,
    _connections,
    _grants_ending,
    _leases,
    _revocations,
)
