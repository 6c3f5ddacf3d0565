"""What stands in the way of an import, found before anything is written.

A user who is here already is never added to: a name does not prove that two services speak of one person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, exists, select

from app.errors import InvalidData
from app.extensions import db, reading, settings
from app.models import Service, ServiceKey, User
from app.providers import PROVIDERS
from app.usernames import key_of

from .archive import Kind
from .arriving import OWNED, Arrival, Values, answers_to, data_of, user_of
from .service_keys import Scope

Unique = tuple[str, Any, ColumnElement[bool]]  # what it is, as which value, and who else has it

_SERVICES = {provider.name: {service.name for service in provider.services} for provider in PROVIDERS}


@dataclass(frozen=True, slots=True)
class Conflict:
    """A record that cannot come, and why. `whose` is a username or a name; "" where it cannot be told."""

    line: int
    kind: Kind
    whose: str
    why: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What would come, by kind, and what not: the conflicts, and what hangs on them."""

    coming: Counter[Kind] = field(default_factory=Counter)
    left_out: Counter[Kind] = field(default_factory=Counter)
    conflicts: list[Conflict] = field(default_factory=list)


def look(arrivals: Iterable[Arrival]) -> Findings:
    """Go through all records and return what is found. Writes nothing."""
    reading()
    looking = _Look()
    for arrival in arrivals:
        looking.at(arrival)
    db.session.rollback()
    return looking.findings


class _Look:
    """Judges one record after the other. A judgement is what is wrong, or None."""

    def __init__(self) -> None:
        self.findings = Findings()
        self._services = set(db.session.scalars(select(Service.name)))
        self._coming: set[tuple[str, Any]] = set()  # of all that comes, what must be unique
        self._turn_to("")

    def _turn_to(self, username: str) -> None:
        self._username, self._connections, self._providers = username, 0, set[str]()

    def at(self, arrival: Arrival) -> None:
        kind, found = arrival.kind, self.findings
        if kind is Kind.USER:
            self._turn_to("")
        if kind in OWNED and not self._username:
            found.left_out[kind] += 1
            return
        why = arrival.problem or _JUDGES[kind](self, arrival.values)
        if why is None:
            found.coming[kind] += 1
        else:
            found.left_out[kind] += 1
            found.conflicts.append(Conflict(arrival.line, kind, self._whose(arrival), why))

    def _whose(self, arrival: Arrival) -> str:
        if arrival.kind in OWNED:
            return self._username
        return arrival.values.get("username") or arrival.values.get("name") or ""

    def _taken(self, *unique: Unique) -> str | None:
        for word, value, has_it in unique:
            if (word, value) in self._coming or db.session.scalar(select(exists().where(has_it))):
                return f"the {word} is taken"
        self._coming |= {(word, value) for word, value, _ in unique}
        return None

    def user(self, values: Values) -> str | None:
        user = user_of(values)
        unique: list[Unique] = [
            ("username", user.username_key, User.username_key == user.username_key),
            ("email address", user.email_key, User.email_key == user.email_key),
        ]
        if user.external_id is not None:
            unique.append(("user_id", user.external_id, answers_to(user.external_id)))
        why = self._taken(*unique)
        self._turn_to("" if why else user.username)
        return why

    def connection(self, values: Values) -> str | None:
        try:
            data_of(values)
        except InvalidData as refused:
            return "; ".join(f"{name}: {' '.join(found)}" for name, found in (refused.details or {}).items())
        if self._connections == settings.max_connections_per_user:
            return "there are more than MAX_CONNECTIONS_PER_USER"
        self._connections += 1
        return None

    def grant(self, values: Values) -> str | None:
        provider, services = values["provider"], {link["service"] for link in values["links"]}
        if provider not in _SERVICES:
            return "the provider is unknown"
        if not services <= _SERVICES[provider] & self._services:
            return "a service is unknown"
        if provider in self._providers:
            return "there is another of this provider"
        self._providers.add(provider)
        return None

    def revocation(self, values: Values) -> str | None:
        return None if values["provider"] in _SERVICES else "the provider is unknown"

    def departure(self, values: Values) -> None:
        """Nothing stands in its way."""

    def service_key(self, values: Values) -> str | None:
        if not set(values["scopes"]) <= set(Scope):
            return "a scope is unknown"
        users = {("username", key_of(username)) for username in values["usernames"] or ()}
        if not users <= self._coming:
            return "it is for a user who does not come"
        name, key = values["name"], values["hash"]
        return self._taken(("name", name, ServiceKey.name == name), ("key", key, ServiceKey.hash == key))


_JUDGES: Mapping[Kind, Callable[[_Look, Values], str | None]] = {
    Kind.USER: _Look.user,
    Kind.CONNECTION: _Look.connection,
    Kind.GRANT: _Look.grant,
    Kind.REVOCATION: _Look.revocation,
    Kind.DEPARTURE: _Look.departure,
    Kind.SERVICE_KEY: _Look.service_key,
}
