"""Ids and texts at the edges: refused as documented, and alike on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import start
from tests.support.databases import PostgresqlDatabases, SqliteDatabases
from tests.support.hostile import NOT_JSON
from tests.support.providers import Sandbox
from tests.support.service import Service, User

NO_IDS = (
    "0",
    "-1",
    "+1",
    "01",
    "1e3",
    "1.0",
    "0x1",
    "١",
    "²",
    "%2e",
    "%2e%2e",
    ";",
    "1;x",
    "%20",
    "1%20",
    "1%00",
)
TOO_LARGE = (2**63, 2**64, 10**100)
MISSING = (2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63 - 1)
LITERALS = ("%", "_", "\\", "a%", "%%", "'; --", '"', "?", "{}", "%s", ":name", "*", "a")
BY_ID = [
    ("GET", "get/connection/", None),
    ("GET", "check/connection/", None),
    ("PUT", "update/connection/name/", {"name": "x"}),
    ("PUT", "update/connection/data/", {"data": {"token": "x"}}),
    ("DELETE", "connection/delete/", None),
]


@pytest.fixture(scope="module")
def both(
    sqlite: SqliteDatabases, postgresql: PostgresqlDatabases, sandbox: Sandbox
) -> Iterator[tuple[User, User]]:
    """One user of the same name on either database."""
    services: list[Service] = [start(databases.new(), sandbox) for databases in (sqlite, postgresql)]
    first, second = (service.user("same") for service in services)
    yield first, second
    for service in services:
        service.close()


def ask(both: tuple[User, User], method: str, path: str, **kwargs: Any) -> tuple[int, bytes]:
    """Send it to both, and return the one answer that both must give."""
    found = [user.call(method, path, **kwargs) for user in both]
    answers = [(answer.status_code, answer.content) for answer in found]
    assert answers[0] == answers[1], path
    return answers[0]


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_hostile_bodies(both: tuple[User, User], body: bytes) -> None:
    for path in ("/api/users/:username/add/connection", "/api/auth/register"):
        assert ask(both, "POST", path, data=body, headers={"Content-Type": "application/json"})[0] == 400


@pytest.mark.parametrize(("method", "path", "body"), BY_ID, ids=lambda part: str(part))
def test_ids_in_a_path(both: tuple[User, User], method: str, path: str, body: Any) -> None:
    for id in (*NO_IDS, *TOO_LARGE):
        status, content = ask(both, method, f"/api/users/:username/{path}{id}", json=body)
        assert (status, b"_not_found" in content or b"not_found" in content) == (404, True), id
    for id in MISSING:
        status, content = ask(both, method, f"/api/users/:username/{path}{id}", json=body)
        expected = (200, True) if "check" in path else (404, False)
        assert (status, b'"false"' in content) == expected, id


@pytest.mark.parametrize("id", [*MISSING, *TOO_LARGE, 0, -1, -(2**63), True, 1.0, "1", "١", None, [], {}])
def test_ids_in_a_body(both: tuple[User, User], id: Any) -> None:
    expected = 404 if id in MISSING and type(id) is int else 400
    for method, path in (
        ("POST", "/api/users/:username/connection/check/token"),
        ("PUT", "/api/users/:username/connection/update/token/token"),
        ("DELETE", "/api/users/:username/connection/delete/token"),
    ):
        assert ask(both, method, path, json={"id": id})[0] == expected
        if method == "PUT":
            assert ask(both, method, path, json={"id": id, "token": "x"})[0] == expected
    path = "/api/users/connection/update/token/name"
    assert ask(both, "PUT", path, json={"id": id, "name": "x"})[0] == expected


def test_wildcards_are_letters(both: tuple[User, User]) -> None:
    tokens = "/api/users/:username/connections/addtoken"
    for name in LITERALS:
        body = {"name": name, "token_type": f"type {name}", "token": f"token of {name}"}
        assert ask(both, "POST", tokens, json=body)[0] == 201
    for name in LITERALS:
        for user in both:
            body = {"name": name, "token_type": f"type {name}"}
            found = user.call("POST", "/api/users/:username/connection/gettoken", json=body)
            assert found.json() == {"token": f"token of {name}"}
    for name, kind in (("A", "type a"), ("a", "TYPE a"), ("a ", "type a"), ("%", "type _"), ("á", "type a")):
        body = {"name": name, "token_type": kind}
        assert ask(both, "POST", "/api/users/:username/connection/gettoken", json=body)[0] == 404


@pytest.mark.parametrize(
    "text", ["\U0001f511" * 255, "\u0130" * 255, "x" * 255, "\u202e", "\x7f\x80\x9f", " "]
)
def test_texts_at_their_bounds(both: tuple[User, User], text: str) -> None:
    body = {"name": text, "token_type": text[:64], "token": text}
    assert ask(both, "POST", "/api/users/:username/connections/addtoken", json=body)[0] == 201
    path = "/api/users/:username/connection/gettoken"
    assert ask(both, "POST", path, json={"name": text, "token_type": text[:64]})[0] == 200
    assert ask(both, "POST", path, json={"name": text + "x" * 256, "token_type": "x"})[0] == 400
    assert ask(both, "POST", path, json={"name": "", "token_type": text + "x" * 65})[0] == 400


@pytest.mark.parametrize(
    "name", ["%", "_", "sam_", "s%25", "%00", "%ff", "%ed%a0%80", "a%0d%0ab", "..%2f", "ſame", "x" * 999]
)
def test_usernames_in_a_path(both: tuple[User, User], name: str) -> None:
    status, content = ask(both, "GET", f"/api/users/{name}/get/connection/{2**40}")
    own = name == "ſame"  # the long s is an s by casefold: the caller's own name
    assert status in ((404,) if own else (403, 404)) and (b"connection_not_found" in content) == own
