"""Users with connections, sealed by the application's own vault and put in by the thousand."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import func, insert, select, text

from app import create_app
from app.extensions import db, vault
from app.models import Connection, Flow, Grant, ServiceConnection, Tokens, User, now
from app.models.base import Base
from app.oauth.flow import fingerprint, new_secret
from app.providers import SERVICES, provider_named
from app.services import bearer, keeping
from app.services.pending import LIFE, Stage, Wish, new_row
from config import Config
from tests.support.filling import data_of

EACH = 10  # connections of a user
CROWD = 1000  # connections of the one user who has many
CALLERS = 2000  # users who ask, at most
AT_ONCE = 5000  # rows in one transaction
PROVIDER = "spotify"  # whose token every user has, and whose flows come back
A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Caller:
    """A user who is signed in, with the ids of the user's connections."""

    user_id: int
    token: str = field(repr=False)
    connections: range

    @property
    def username(self) -> str:
        return username_of(self.user_id)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A callback that can come once: what its browser brings back."""

    state: str
    browser: str


class Population:
    """Everybody in one database. The user after the last of `users` has 1,000 connections."""

    def __init__(self, environ: Mapping[str, str], users: int) -> None:
        self._app = create_app(Config.from_env(environ))
        self._newest = users + 1
        with self._app.app_context():
            insert_all(map(user_of, range(1, users + 2)))
            insert_all(connections_of(users))
            insert_all(grant_of(id, id, PROVIDER, now(), A_DAY) for id in range(1, users + 2))
            insert_all(map(link_of, range(1, users + 2)))
            settle()
            *self.callers, self.crowded = signed_in([*range(1, min(users, CALLERS) + 1), users + 1], users)

    def arrivals(self, count: int, redirect_uri: str) -> list[Arrival]:
        """Begin so many flows, each of a user who has no grant yet."""
        ids = range(self._newest + 1, self._newest + count + 1)
        self._newest += count
        arrivals = [Arrival(new_secret(), new_secret()) for _ in ids]
        with self._app.app_context():
            insert_all(map(user_of, ids))
            insert_all(map(flow_of, ids, arrivals, [redirect_uri] * count))
        return arrivals

    def run(self, work: Callable[[], Any]) -> Any:
        """Do this with the application's own database and vault."""
        with self._app.app_context():
            return work()

    def close(self) -> None:
        with self._app.app_context():
            db.engine.dispose()


def username_of(user_id: int) -> str:
    return f"u{user_id}"


def access_token_of(user_id: int) -> str:
    return f"the access token of {user_id}"


def ids_of(user_id: int, users: int) -> range:
    """Return which connections a user has, of so many users."""
    first = (user_id - 1) * EACH + 1
    return range(first, first + (CROWD if user_id > users else EACH))


def user_of(id: int) -> User:
    name = username_of(id)
    email = f"{name}@example.com"
    return User(
        id=id,
        username=name,
        username_key=name,
        email=email,
        email_key=email,
        password_hash="",
        external_id=None,
    )


def connections_of(users: int) -> Iterator[Connection]:
    for user_id in range(1, users + 2):
        for id in ids_of(user_id, users):
            row = Connection(id=id, user_id=user_id, incarnation=secrets.token_hex(16), type="sshes")
            data = data_of(id)
            row.name, hidden = f"n{id}", {"password": data.pop("password")}
            row.seal(vault, data, hidden, order=[*data, *hidden])
            yield row


def grant_of(id: int, user_id: int, provider: str, token_at: datetime, life: timedelta) -> Grant:
    """Return a grant that can be renewed, with a token that came then and lives so long."""
    row = Grant(
        id=id,
        user_id=user_id,
        provider=provider,
        incarnation=secrets.token_hex(16),
        generation=1,
        account_id=username_of(user_id),
        account_label=username_of(user_id),
        scopes_asked=list(provider_named(provider).scopes),
        scopes_granted=list(provider_named(provider).scopes),
        authorized_at=token_at,
        token_at=token_at,
        expires_at=token_at + life,
        refresh_expires_at=None,
        last_used_at=token_at,
        failing_days=0,
    )
    keeping.schedule(row, renewable=True)
    row.seal(vault, Tokens(access_token_of(user_id), f"the refresh token of {user_id}"))
    return row


def link_of(grant_id: int) -> ServiceConnection:
    """Return the service that the grant of the user with this id serves; both have one id."""
    [service] = provider_named(PROVIDER).services
    return ServiceConnection(id=grant_id, user_id=grant_id, service_id=service.id, grant_id=grant_id)


def flow_of(user_id: int, arrival: Arrival, redirect_uri: str) -> Flow:
    [service] = [service for service in SERVICES if service.name == PROVIDER]
    row = new_row(Wish(user_id, service), Stage.ASKED, key=arrival.state, life=LIFE)
    row.browser, row.redirect_uri = fingerprint(arrival.browser), redirect_uri
    row.seal(vault, new_secret().encode())
    return row


def insert_all(rows: Iterable[Base]) -> None:
    rows = iter(rows)
    while batch := list(islice(rows, AT_ONCE)):
        values = [{name: value for name, value in vars(row).items() if name[0] != "_"} for row in batch]
        with db.engine.begin() as connection:
            connection.execute(insert(type(batch[0])), values)


def settle() -> None:
    """Let PostgreSQL number on behind what was put in, and look at how much it is."""
    if db.engine.dialect.name != "postgresql":
        return
    with db.engine.begin() as connection:
        for model in (User, Connection, Grant, ServiceConnection):
            sequence = func.pg_get_serial_sequence(model.__tablename__, "id")
            last = select(func.coalesce(func.max(model.id), 1)).scalar_subquery()
            connection.execute(select(func.setval(sequence, last)))
        connection.execute(text("ANALYZE"))


def signed_in(user_ids: Sequence[int], users: int) -> list[Caller]:
    """Begin a login for each of these."""
    callers = [Caller(id, bearer.begin_login(id).access_token, ids_of(id, users)) for id in user_ids]
    db.session.commit()
    return callers
