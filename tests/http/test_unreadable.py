"""A row that no longer opens: told, replaceable, and alone in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import text

from app.extensions import db
from app.models import Connection
from tests.conftest import start
from tests.support.databases import SqliteDatabases
from tests.support.providers import Sandbox
from tests.support.service import Service, User

SSH = {"host": "37.152.181.64", "username": "reza", "password": "p"}
UNREADABLE = {
    "error": "The stored secret cannot be opened; replace or delete it",
    "code": "secret_unreadable",
}


def stored(user: User, type: str = "sshes", data: dict[str, Any] = SSH) -> int:
    body = {"name": "n", "type": type, "data": data}
    answer = user.call("POST", "/api/users/:username/add/connection", json=body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def listed(user: User) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = user.call("GET", "/api/users/:username/get/connections").json()[
        "connections"
    ]
    return rows


@contextmanager
def rows(service: Service, *ids: int) -> Iterator[list[Connection]]:
    """Yield these rows to somebody who can write to the database behind our back."""
    with service.app.app_context():
        yield [db.session.get_one(Connection, id) for id in ids]
        db.session.commit()


def assert_unreadable(user: User, id: int) -> None:
    marked = next(row for row in listed(user) if row["id"] == id)
    assert marked["unreadable"] is True
    answer = user.call("GET", f"/api/users/:username/get/connection/{id}")
    assert (answer.status_code, answer.json()) == (500, UNREADABLE)


@pytest.mark.parametrize("position", [0, 1, 2, 5, 20, -1])
def test_a_flipped_byte_is_told_and_concerns_one_row(service: Service, user: User, position: int) -> None:
    before, id, after = stored(user), stored(user), stored(user)
    with rows(service, id) as [row]:
        sealed = bytearray(row.sealed)
        sealed[position] ^= 1
        row.sealed = bytes(sealed)
    described = {"name": "n", "type": "sshes"}
    good = {**described, "data": {**SSH, "password": "-" * 8}}
    assert listed(user) == [
        {**good, "id": before},
        {**described, "id": id, "data": {**SSH, "password": None}, "unreadable": True},
        {**good, "id": after},
    ]
    assert_unreadable(user, id)
    assert user.call("GET", f"/api/users/:username/get/connection/{after}").json()["data"] == SSH


def test_it_is_still_there_and_can_be_renamed_replaced_and_deleted(service: Service, user: User) -> None:
    first, second = stored(user), stored(user)
    with rows(service, first, second) as spoiled:
        for row in spoiled:
            row.sealed = b""
    check = user.call("GET", f"/api/users/:username/check/connection/{first}")
    assert check.json() == {"message": "true"}
    path = f"/api/users/:username/update/connection/data/{first}"
    masked = user.call("PUT", path, json={"data": {**SSH, "password": "---"}})
    assert (masked.status_code, masked.json()) == (500, UNREADABLE)
    renamed = user.call("PUT", f"/api/users/:username/update/connection/name/{first}", json={"name": "new"})
    assert renamed.status_code == 200 and user.call("PUT", path, json={"data": SSH}).status_code == 200
    answer = user.call("GET", f"/api/users/:username/get/connection/{first}")
    assert (answer.status_code, answer.json()["data"], answer.json()["name"]) == (200, SSH, "new")
    assert user.call("DELETE", f"/api/users/:username/connection/delete/{second}").status_code == 200
    assert [row["id"] for row in listed(user)] == [first]


def test_a_seal_does_not_open_in_another_row_or_for_another_user(service: Service, user: User) -> None:
    thief = service.user()
    mine, also_mine, theirs = stored(user), stored(user), stored(thief)
    with rows(service, mine, also_mine, theirs) as [source, other, stolen]:
        other.sealed = stolen.sealed = source.sealed
        stolen.outline, stolen.incarnation = source.outline, source.incarnation
    assert_unreadable(user, also_mine)
    assert_unreadable(thief, theirs)
    assert user.call("GET", f"/api/users/:username/get/connection/{mine}").json()["data"] == SSH


def _host(row: Connection) -> None:
    row.outline = {**row.outline, "host": "attacker.example"}


def _more(row: Connection) -> None:
    row.outline = {**row.outline, "port": 22}


def _less(row: Connection) -> None:
    row.outline = {"password": None}


def _type(row: Connection) -> None:
    row.type = "custom"


def _owner(row: Connection) -> None:
    row.incarnation = "0" * 32


def _no_object(row: Connection) -> None:
    row.outline = []  # type: ignore[assignment]


@pytest.mark.parametrize("alter", [_host, _more, _less, _type, _owner, _no_object])
def test_what_the_seal_is_bound_to_cannot_be_altered(
    service: Service, user: User, alter: Callable[[Connection], None]
) -> None:
    id, other = stored(user), stored(user)
    with rows(service, id) as [row]:
        alter(row)
    assert_unreadable(user, id)
    assert user.call("GET", f"/api/users/:username/get/connection/{other}").status_code == 200


def test_a_row_given_to_another_user_does_not_open(service: Service, user: User) -> None:
    thief, id = service.user(), stored(user)
    with rows(service, id) as [row]:
        row.user_id = thief.id
    assert_unreadable(thief, id)


@pytest.mark.parametrize("spoiled", [b"{", b"", b"5", b'{"host": "\xff", "password": null}'])
def test_an_outline_of_any_bytes_concerns_one_row(
    sqlite: SqliteDatabases, sandbox: Sandbox, spoiled: bytes
) -> None:
    """PostgreSQL keeps JSON valid by itself; SQLite's is text, where a byte may flip."""
    service = start(sqlite.new(), sandbox)
    try:
        user = service.user()
        id, other = stored(user), stored(user)
        with service.app.app_context():
            statement = text("UPDATE connections SET outline = CAST(:spoiled AS TEXT) WHERE id = :id")
            db.session.execute(statement, {"id": id, "spoiled": spoiled})
            db.session.commit()
        assert_unreadable(user, id)
        assert user.call("GET", f"/api/users/:username/get/connection/{other}").json()["data"] == SSH
        assert user.call("GET", "/api/users/:username/connection/gettokens").json() == []
        assert user.call("DELETE", f"/api/users/:username/connection/delete/{id}").status_code == 200
    finally:
        service.close()


def test_a_legacy_token_that_no_longer_opens_is_listed_without_it(service: Service, user: User) -> None:
    id, other = stored(user, "git", {"token": "a"}), stored(user, "git", {"token": "b"})
    with rows(service, other) as [row]:
        row.sealed = row.sealed[:-1]
    listed_tokens = user.call("GET", "/api/users/:username/connection/gettokens").json()
    assert [(row["ID"], row["Token"]) for row in listed_tokens] == [(id, "a"), (other, None)]
    body = {"name": "n", "token_type": "git"}
    answer = user.call("POST", "/api/users/:username/connection/gettoken", json=body)
    assert (answer.status_code, answer.json()) == (500, UNREADABLE)
    path = "/api/users/:username/connection/update/token/token"
    assert user.call("PUT", path, json={"id": other, "token": "c"}).status_code == 200
    assert user.call("POST", "/api/users/:username/connection/gettoken", json=body).json() == {"token": "c"}
