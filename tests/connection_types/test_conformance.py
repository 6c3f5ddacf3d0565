"""One conformance suite over all connection types: a new one is tested by being listed."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from app.connection_types import CONNECTION_TYPES, ConnectionType
from app.connection_types.declaration import Kind
from tests.support.service import Service, User

MASK = "-" * 8

# Every declared field of each type, with a value that fits.
EXAMPLES: dict[str, dict[str, Any]] = {
    "sshes": {
        "host": "37.152.181.64",
        "username": "reza",
        "password": " p\r\n ",
        "sshKey": "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
        "port": 65535,
        "passphrase": "🔑",
        "commands": ["uptime", ""],
        "token": "t",
    },
    "github": {"token": "gho_1"},
    "spotify": {"token": "BQ"},
    "google": {"token": "ya29"},
    "facebook": {"token": "EAA"},
    "telegrams": {"key": "123:abc", "token": "456:def"},
    "discords": {"guildId": "81384788765712384", "token": "MTk4"},
    "http": {
        "url": "https://api.example.com/v1?x=@",
        "headers": {"X-Api-Key": "k", "Accept": "*/*"},
        "username": "u",
        "password": "p",
        "bearer": "b",
    },
    "smtp": {"host": "mail.example.com", "port": 1, "username": "u", "password": "p", "tls": False},
    "postgres": {
        "host": "/run/postgresql",
        "port": 5432,
        "database": "d",
        "username": "u",
        "password": "p",
        "sslmode": "verify-full",
    },
    "custom": {"anything": {"deep": [1, 2.5, True, "x"]}, "empty": ""},
}

# What lists show, and what must be there: said here once more, so that a slip in a declaration is seen.
VISIBLE = {
    "sshes": {"host", "username", "port", "commands"},
    "discords": {"guildId"},
    "http": {"url", "username"},
    "smtp": {"host", "port", "username", "tls"},
    "postgres": {"host", "port", "database", "username", "sslmode"},
}
REQUIRED = {
    "sshes": {"host", "username"},
    **{name: {"token"} for name in ("github", "spotify", "google", "facebook")},
    "http": {"url"},
    "smtp": {"host", "port"},
    "postgres": {"host", "database", "username"},
}

# Values that a kind refuses. None of them is null, which removes a field.
REFUSED: dict[Kind, list[Any]] = {
    Kind.TEXT: ["", 5, True, [], {}],
    Kind.PORT: [0, 65536, -1, 22.0, "22", True, ""],
    Kind.FLAG: ["true", 1, 0, ""],
    Kind.TEXTS: ["uptime", [1], [None], {}, 5],
    Kind.TEXT_MAP: [[], "a: b", {"a": 1}, {"a": None}, 5],
}
MISFITS = {
    "sshes": {"host": ["a b", "user@host", "a/b", "x" * 256]},
    "http": {"url": ["ftp://x", "https://", "https://u:p@host/", "//host", "https://a b"]},
    "smtp": {"host": ["a b", "user@host", "a/b"]},
    "postgres": {"host": ["a b", "user@host"], "sslmode": ["on", "REQUIRE", "require "]},
}

every_type = pytest.mark.parametrize("type", CONNECTION_TYPES, ids=lambda type: type.name)
fields = [(type, field) for type in CONNECTION_TYPES for field in type.fields]
every_field = pytest.mark.parametrize(("type", "field"), fields, ids=lambda part: part.name)


@pytest.fixture(scope="module")
def owner(service: Service) -> User:
    return service.user()


def add(user: User, type: str, data: dict[str, Any]) -> requests.Response:
    body = {"name": "n", "type": type, "data": data}
    return user.call("POST", "/api/users/:username/add/connection", json=body)


def stored(user: User, type: str, data: dict[str, Any]) -> int:
    answer = add(user, type, data)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def replace(user: User, id: int, data: dict[str, Any]) -> requests.Response:
    return user.call("PUT", f"/api/users/:username/update/connection/data/{id}", json={"data": data})


def read(user: User, id: int) -> dict[str, Any]:
    data: dict[str, Any] = user.call("GET", f"/api/users/:username/get/connection/{id}").json()["data"]
    return data


def listed(user: User, id: int) -> dict[str, Any]:
    rows = user.call("GET", "/api/users/:username/get/connections").json()["connections"]
    data: dict[str, Any] = next(row["data"] for row in rows if row["id"] == id)
    return data


def without(type: ConnectionType, *names: str) -> dict[str, Any]:
    """Return the example without these fields, and without the token that could stand alone."""
    return {name: value for name, value in EXAMPLES[type.name].items() if name not in (*names, type.alone)}


def assert_refused(answer: requests.Response, *fields: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_data"), answer.text
    assert set(answer.json()["details"]) == set(fields)
    assert all(sentence.endswith(".") for found in answer.json()["details"].values() for sentence in found)


def test_every_type_has_an_example_of_every_field() -> None:
    assert [type.name for type in CONNECTION_TYPES] == list(EXAMPLES)
    for type in CONNECTION_TYPES:
        declared = {field.name for field in type.fields}
        assert declared == set(EXAMPLES[type.name]) or not declared, type.name


@every_type
def test_every_word_of_the_type_takes_it_and_gives_it_back_exactly(owner: User, type: ConnectionType) -> None:
    for word in (type.name, *type.words):
        answer = add(owner, word, EXAMPLES[type.name])
        id = answer.json()["id"]
        assert answer.status_code == 201
        assert answer.json() == {"id": id, "name": "n", "type": word, "data": EXAMPLES[type.name]}
        assert read(owner, id) == EXAMPLES[type.name]


@every_type
def test_the_list_hides_exactly_the_secrets(owner: User, type: ConnectionType) -> None:
    data = {**EXAMPLES[type.name], "undeclared": 5}
    id = stored(owner, type.name, data)
    visible = VISIBLE.get(type.name, set())
    expected = {name: value if name in visible else MASK for name, value in data.items()}
    assert listed(owner, id) == expected
    assert read(owner, id) == data


@every_type
def test_the_masked_list_sent_back_changes_nothing(owner: User, type: ConnectionType) -> None:
    data = {**EXAMPLES[type.name], "undeclared": {"x": None}}
    id = stored(owner, type.name, data)
    assert replace(owner, id, listed(owner, id)).status_code == 200
    assert read(owner, id) == data


@every_type
def test_a_mask_where_nothing_is_stored_is_refused(owner: User, type: ConnectionType) -> None:
    data = EXAMPLES[type.name]
    for dashes in ("---", MASK, "-" * 99):
        assert_refused(add(owner, type.name, {**data, "more": dashes}), "more")
    id = stored(owner, type.name, data)
    assert_refused(replace(owner, id, {**data, "more": "---"}), "more")
    assert read(owner, id) == data
    assert replace(owner, id, {**data, "more": "--"}).status_code == 200  # two dashes are a value
    assert read(owner, id) == {**data, "more": "--"}


@every_field
def test_a_secret_alone_can_be_masked(owner: User, type: ConnectionType, field: Any) -> None:
    data = EXAMPLES[type.name]
    masked = {**data, field.name: "-----"}
    if field.secret:
        assert_refused(add(owner, type.name, masked), field.name)
    elif field.kind is Kind.TEXT and field.name not in MISFITS.get(type.name, {}):
        assert read(owner, stored(owner, type.name, masked)) == masked


@every_field
def test_a_value_that_does_not_fit_is_refused(owner: User, type: ConnectionType, field: Any) -> None:
    for value in [*REFUSED[field.kind], *MISFITS.get(type.name, {}).get(field.name, [])]:
        assert_refused(add(owner, type.name, {**EXAMPLES[type.name], field.name: value}), field.name)


@every_field
def test_null_and_absence_remove_what_is_optional(owner: User, type: ConnectionType, field: Any) -> None:
    id = stored(owner, type.name, without(type) or EXAMPLES[type.name])
    before, rest = read(owner, id), without(type, field.name)
    needed = field.name in REQUIRED.get(type.name, set()) or not rest
    for data in ({**rest, field.name: None}, rest):
        answer = replace(owner, id, data)
        if needed:
            assert_refused(answer, field.name if rest else "data")
            assert read(owner, id) == before
        else:
            assert answer.status_code == 200
            assert read(owner, id) == rest
            assert replace(owner, id, before).status_code == 200


@every_type
def test_one_of_a_group_is_enough_and_none_is_not(owner: User, type: ConnectionType) -> None:
    for name in type.one_of:
        others = [other for other in type.one_of if other != name]
        assert add(owner, type.name, without(type, *others)).status_code == 201
    if type.one_of:
        assert_refused(add(owner, type.name, {**without(type, *type.one_of), "undeclared": "x"}), "data")


@every_type
def test_an_empty_object_is_refused(owner: User, type: ConnectionType) -> None:
    assert_refused(add(owner, type.name, {}), "data")
    assert_refused(add(owner, type.name, {"x": None}), "data")


def test_a_lone_token_is_enough_for_a_host_and_a_companion_makes_it_none(owner: User) -> None:
    assert add(owner, "sshes", {"token": "3c14cb6290e0e568f6f6"}).status_code == 201
    assert_refused(add(owner, "sshes", {"token": "x", "port": 22}), "host", "username", "data")


def test_an_unknown_type_is_told_the_known_ones(owner: User) -> None:
    answer = add(owner, "Spotify", {"token": "x"})
    known = ", ".join(sorted(word for type in CONNECTION_TYPES for word in (type.name, *type.words)))
    sentence = f"Unknown connection type; the known ones are: {known}"
    assert (answer.status_code, answer.json()) == (400, {"error": sentence, "code": "unknown_type"})
