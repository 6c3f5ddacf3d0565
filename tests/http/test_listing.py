"""Lists of typed connections: what opened before is not opened again, unless anything of it has changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw
from sqlalchemy import Row, insert, select, text, update

from app import memory
from app.extensions import db
from app.models import Connection
from app.schemas.connections import ConnectionListSchema
from app.services import listing
from app.services.listing import Opened
from app.services.standing import Caller
from app.usernames import key_of
from tests.http.test_unreadable import SSH, listed, stored
from tests.support.clocks import Clock
from tests.support.service import Service, User

MASKED = {**SSH, "password": "-" * 8}


def change(service: Service, id: int, **values: object) -> None:
    """Write to a row behind our back."""
    with service.app.app_context():
        db.session.execute(update(Connection).where(Connection.id == id).values(**values))
        db.session.commit()


def row_of(service: Service, id: int) -> Row[Any]:
    with service.app.app_context():
        return db.session.execute(select(Connection.__table__).where(Connection.id == id)).one()


def test_a_row_is_opened_once(user: User, opened: list[int]) -> None:
    ids = [stored(user) for _ in range(3)]
    opened.clear()
    first = listed(user)
    assert opened == ids and [row["data"] for row in first] == [MASKED] * 3
    assert listed(user) == first and opened == ids


@pytest.mark.parametrize(
    "change_of",
    [
        lambda row: {"sealed": row.sealed[:-1] + bytes([row.sealed[-1] ^ 1])},
        lambda row: {"sealed": row.sealed[:20]},
        lambda row: {"outline": {**row.outline, "host": "evil.example"}},
        lambda row: {"incarnation": "0" * 32},
        lambda row: {"type": "smtp"},
    ],
)
def test_whatever_has_changed_is_opened_anew(service: Service, user: User, change_of: Any) -> None:
    id = stored(user)
    before = listed(user)
    row = row_of(service, id)
    spoiled = change_of(row)
    change(service, id, **spoiled)
    assert [listed(user)[0].get("unreadable") for _ in range(2)] == [True, True]
    change(service, id, **{name: getattr(row, name) for name in spoiled})
    assert listed(user) == before


def test_a_row_that_was_moved_to_another_user_does_not_open(service: Service, user: User) -> None:
    id, other = stored(user), service.user()
    assert listed(user)[0]["data"] == MASKED
    change(service, id, user_id=other.id)
    assert listed(user) == [] and listed(other)[0]["unreadable"] is True


def test_another_row_with_the_same_seal_does_not_open(service: Service, user: User) -> None:
    id = stored(user)
    assert listed(user)[0]["data"] == MASKED
    row = row_of(service, id)._asdict()
    del row["id"]
    with service.app.app_context():
        db.session.execute(insert(Connection).values(row))
        db.session.commit()
    assert [found.get("unreadable") for found in listed(user)] == [None, True]


def test_an_outline_that_is_no_json_is_opened_anew(sqlite_service: Service) -> None:
    user = sqlite_service.user()
    id = stored(user)
    assert listed(user)[0]["data"] == MASKED
    with sqlite_service.app.app_context():
        db.session.execute(text("UPDATE connections SET outline = '{' WHERE id = :id"), {"id": id})
        db.session.commit()
    assert (listed(user)[0]["unreadable"], listed(user)[0]["data"]) == (True, {})


def test_what_its_owner_changes_is_listed_at_once(user: User) -> None:
    id = stored(user)
    assert listed(user)[0]["data"] == MASKED
    path = "/api/users/:username/update/connection"
    user.call("PUT", f"{path}/name/{id}", json={"name": "other"})
    user.call("PUT", f"{path}/data/{id}", json={"data": {**SSH, "host": "h"}})
    [found] = listed(user)
    assert (found["name"], found["data"]) == ("other", {**MASKED, "host": "h"})


def test_it_is_opened_again_once_in_a_while(
    user: User, opened: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(memory, "time", clock)
    monkeypatch.setattr(listing, "time", clock)
    id = stored(user)
    opened.clear()
    assert [len(listed(user)) for _ in range(2)] == [1, 1] and opened == [id]
    clock.pass_(listing.KEPT + 1)
    assert len(listed(user)) == 1 and opened == [id, id]


def test_a_large_row_is_not_remembered(user: User, opened: list[int]) -> None:
    id = stored(user, data={**SSH, "password": "p" * listing.LARGEST})
    opened.clear()
    assert [len(listed(user)) for _ in range(2)] == [1, 1] and opened == [id, id]


def test_it_is_written_as_its_schema_says(user: User) -> None:
    ids = [
        stored(user),
        stored(user, "custom", {"Zoë": "secret"}),
        stored(user, data={**SSH, "host": "\x7f🔑"}),
    ]
    data = [MASKED, {"Zoë": "-" * 8}, {**MASKED, "host": "\x7f🔑"}]
    types = ["sshes", "custom", "sshes"]
    rows = [Opened(id, "n", type, shown) for id, type, shown in zip(ids, types, data, strict=True)]
    expected = json.dumps(ConnectionListSchema().dump({"connections": rows}), separators=(",", ":"))
    for _ in range(2):
        answer = user.call("GET", "/api/users/:username/get/connections")
        assert answer.content == expected.encode() + b"\n"


def test_a_page_and_the_api_remember_each_its_own(user: User, opened: list[int]) -> None:
    id = stored(user)
    caller = Caller(user.id, user.id, user.username, key_of(user.username))
    found = []
    opened.clear()
    with user.service.app.app_context():
        for make in (listing.itself, repr) * 2:
            found += listing.every(caller=caller, make=make)
    expected = Opened(id, "n", "sshes", MASKED)
    assert found == [expected, repr(expected)] * 2 and opened == [id, id]


def test_no_secret_is_remembered(service: Service, user: User) -> None:
    secret = "the most secret of passwords"
    stored(user, data={**SSH, "password": secret})
    assert listed(user)[0]["data"] == MASKED
    remembered = vars(service.app.extensions["latchkey.listed"])["_kept"].values()
    rows, written = zip(*(kept for _, kept in remembered), strict=True)
    for kept in (repr(rows), repr([bytes(one) for one in written if isinstance(one, Raw)])):
        assert SSH["host"] in kept and secret not in kept
