"""What comes from another service, and what it becomes here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from unicodedata import normalize

from sqlalchemy import ColumnElement, and_, or_

from app.connection_types import LONE_TOKEN, ConnectionType, type_of
from app.extensions import settings
from app.models import User
from app.usernames import key_of

from . import connections
from .archive import Kind

OWNED = frozenset({Kind.CONNECTION, Kind.GRANT})  # by the user before them

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record as it came. `problem` is what is wrong with its values; there are none then."""

    line: int
    kind: Kind
    values: Values = field(repr=False)
    problem: str | None = None


def user_of(values: Values) -> User:
    """Return a new row for this user."""
    username, email, external_id = normalize("NFC", values["username"]), values["email"], _external_id(values)
    return User(
        username=username,
        username_key=key_of(username),
        email=email or "",
        email_key=key_of(email) if email else f"external:{external_id}",
        password_hash=values["password_hash"] or "",
        external_id=external_id,
        created_at=values["created_at"],
        disabled_at=values["disabled_at"],
    )


def answers_to(external_id: int) -> ColumnElement[bool]:
    """The user whom a host application means by this `user_id`."""
    means: ColumnElement[bool] = User.external_id == external_id
    if _ids_are_known_outside():
        return or_(means, and_(User.id == external_id, User.external_id.is_(None)))
    return means


def data_of(values: Values) -> dict[str, Any]:
    """Return the data of a connection as it will be kept. Raises InvalidData.

    A legacy token may be of any type: what is one need not fit the type's declaration.
    """
    type, data = values["type"], values["data"]
    return connections.checked(_shape_of(type, data), data, stored={})


def _shape_of(type: str, data: Values) -> ConnectionType:
    is_legacy = data.keys() == {"token"} and isinstance(data["token"], str)
    return LONE_TOKEN if is_legacy else type_of(type)


def _external_id(values: Values) -> int | None:
    """Return what a host application calls this user; it may have used the ids that users had before."""
    external_id: int | None = values["external_id"]
    return values["id"] if external_id is None and _ids_are_known_outside() else external_id


def _ids_are_known_outside() -> bool:
    return not (settings.accounts_enabled or settings.tokens.provision_users)
