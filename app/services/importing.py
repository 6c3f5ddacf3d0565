"""What another service has exported becomes this one's: all of it or nothing, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields

from sqlalchemy.exc import IntegrityError

from app.extensions import db
from app.models import Connection, Departure, Grant, ServiceConnection, ServiceKey, ServiceKeyUser, Tokens
from app.providers import SERVICES, provider_named
from app.usernames import key_of

from . import audit, connections, keeping, revocations
from .archive import Kind
from .arriving import OWNED, Arrival, Values, data_of, user_of
from .keeping import Fresh

BATCH = 100  # connections that are stored together: a large one may be near a mebibyte
NOBODY = 0  # whose tokens end after their user has gone: an id that no user has

_SERVICES = {service.name: service.id for service in SERVICES}


class ImportRefused(Exception):
    """Nothing was stored. `str()` is the sentence."""


def bring(arrivals: Iterable[Arrival], *, without: Collection[int]) -> None:
    """Store what comes, sealed anew and under ids of its own, but for these lines and what hangs on them.

    Raises ImportRefused where what comes is not what was looked at any more, and what storing raises.
    """
    writer = _Writer()
    try:
        for arrival in arrivals:
            writer.at(arrival, wanted=arrival.line not in without)
        writer.store_connections()
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        raise ImportRefused("Something was taken meanwhile; run the import again.") from None


class _Writer:
    """Stores one record after the other."""

    def __init__(self) -> None:
        self._user_id = NOBODY  # whose rows come
        self._unsealed: list[tuple[Connection, Values, Values]] = []
        self._ids: dict[str, int] = {}  # of all users that came, by the names that nobody else has

    def at(self, arrival: Arrival, *, wanted: bool) -> None:
        if arrival.kind is Kind.USER:
            self._user_id = NOBODY
        if not wanted or (arrival.kind in OWNED and self._user_id == NOBODY):
            return
        if arrival.problem is not None:
            raise ImportRefused("The file has changed meanwhile; run the import again.")
        _WAYS[arrival.kind](self, arrival.values)

    def user(self, values: Values) -> None:
        row = user_of(values)
        db.session.add(row)
        db.session.flush()
        self._user_id = self._ids[row.username_key] = row.id
        audit.record("data.import", user_id=row.id)

    def connection(self, values: Values) -> None:
        """Keep a connection until there are so many that they are stored together."""
        name, type = values["name"], values["type"]
        row = Connection(user_id=self._user_id, name=name, type=type, outline={}, sealed=b"")
        self._unsealed.append((row, values, data_of(values)))
        if len(self._unsealed) == BATCH:
            self.store_connections()

    def store_connections(self) -> None:
        db.session.add_all(row for row, _, _ in self._unsealed)
        db.session.flush()
        for row, values, data in self._unsealed:
            row.created_at, row.updated_at = values["created_at"], values["updated_at"]
            connections.seal(row, data)
            target, names = f"connection:{row.id}", connections.fields_of(data)
            audit.record("connection.add", user_id=row.user_id, target=target, detail=names)
        self._unsealed.clear()

    def grant(self, values: Values) -> None:
        """Store a grant. What was under way with it, and what went wrong last, stays behind."""
        grant = Grant(user_id=self._user_id, sealed=b"", **{name: values[name] for name in _OF_GRANTS})
        db.session.add(grant)
        db.session.flush()
        keeping.keep(grant, _fresh(grant.user_id, values), consented=False)
        keeping.schedule(grant, renewable=values["renewable"])
        if values["ended_at"] is not None:
            grant.end(values["ended_at"])
        grant.warned_days = values["warned_days"]
        grant.links = [_link(grant.user_id, link) for link in values["links"]]
        detail = f"{grant.account_label} ({grant.account_id})"
        audit.record("connection.connect", user_id=grant.user_id, target=grant.provider, detail=detail)

    def revocation(self, values: Values) -> None:
        """Queue the end of a token. It must end, too, if its user does not come."""
        revocations.queue(
            provider_named(values["provider"]),
            user_id=self._ids.get(key_of(values["username"] or ""), NOBODY),
            account_id=values["account_id"],
            tokens=Tokens(values["access_token"], values["refresh_token"]),
            expires_at=values["expires_at"],
        )

    def departure(self, values: Values) -> None:
        known = db.session.get(Departure, values["external_id"])
        if known is None:
            db.session.add(Departure(**values))
        else:
            known.at = max(known.at, values["at"])

    def service_key(self, values: Values) -> None:
        columns = dict(values)
        usernames = columns.pop("usernames")
        row = ServiceKey(for_all=usernames is None, **columns)
        db.session.add(row)
        db.session.flush()
        user_ids = {self._ids[key_of(username)] for username in usernames or ()}
        db.session.add_all(ServiceKeyUser(key_id=row.id, user_id=user_id) for user_id in user_ids)
        audit.record("data.import", user_id=None, target=row.name, detail=" ".join(row.scopes))


_WAYS: Mapping[Kind, Callable[[_Writer, Values], None]] = {
    Kind.USER: _Writer.user,
    Kind.CONNECTION: _Writer.connection,
    Kind.GRANT: _Writer.grant,
    Kind.REVOCATION: _Writer.revocation,
    Kind.DEPARTURE: _Writer.departure,
    Kind.SERVICE_KEY: _Writer.service_key,
}
_OF_GRANTS = (
    "provider",
    "account_id",
    "account_label",
    "scopes_asked",
    "scopes_granted",
    "authorized_at",
    "last_used_at",
)


def _fresh(user_id: int, values: Values) -> Fresh:
    same = {each.name: values[each.name] for each in fields(Fresh) if each.name in values}
    return Fresh(user_id=user_id, at=values["token_at"], **same)


def _link(user_id: int, values: Values) -> ServiceConnection:
    columns = dict(values)
    return ServiceConnection(user_id=user_id, service_id=_SERVICES[columns.pop("service")], **columns)
