"""Typed connections: what holds whatever the type."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.support.service import Service, StartService, User

pytestmark = pytest.mark.usefixtures("company")

MASK = "-" * 8
NOT_FOUND = (404, {"error": "Connection not found", "code": "connection_not_found"})
OF_ONE = [
    ("GET", "/api/users/:username/get/connection/{}", None),
    ("PUT", "/api/users/:username/update/connection/name/{}", {"name": "taken over"}),
    ("PUT", "/api/users/:username/update/connection/data/{}", {"data": {"token": "taken over"}}),
    ("DELETE", "/api/users/:username/connection/delete/{}", None),
]


def add(user: User, type: str = "spotify", data: Any = None, name: str = "n") -> requests.Response:
    body = {"name": name, "type": type, "data": {"token": "t"} if data is None else data}
    return user.call("POST", "/api/users/:username/add/connection", json=body)


def stored(user: User, type: str = "spotify", data: Any = None, name: str = "n") -> int:
    answer = add(user, type, data, name)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def read(user: User, id: int) -> Any:
    return user.call("GET", f"/api/users/:username/get/connection/{id}").json()


def listed(user: User) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = user.call("GET", "/api/users/:username/get/connections").json()[
        "connections"
    ]
    return rows


@pytest.fixture(scope="module")
def anybody(service: Service) -> User:
    """Somebody whom these tests share: each looks at its own rows alone."""
    return service.user()


def test_the_list_is_by_id_and_the_callers_own(service: Service, user: User) -> None:
    other = service.user()
    ids = [stored(user, name=str(number)) for number in range(2)]
    stored(other)
    ids.append(stored(user, "custom", {"a": 1}))
    assert [row["id"] for row in listed(user)] == ids
    assert all(set(row) == {"id", "name", "type", "data"} for row in listed(user))


def test_an_empty_list_is_a_list(user: User) -> None:
    assert user.call("GET", "/api/users/:username/get/connections").json() == {"connections": []}


def test_reading_a_secret_is_not_cached(anybody: User) -> None:
    answer = anybody.call("GET", f"/api/users/:username/get/connection/{stored(anybody)}")
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"


def test_a_replacement_replaces_whole(anybody: User) -> None:
    id = stored(anybody, "custom", {"a": "1", "b": "2", "c": "3"})
    path = f"/api/users/:username/update/connection/data/{id}"
    answer = anybody.call("PUT", path, json={"data": {"c": "---", "b": None, "d": "4"}})
    assert answer.json() == {"message": "updated connection successfully"}
    assert read(anybody, id)["data"] == {"c": "3", "d": "4"}
    assert (read(anybody, id)["name"], read(anybody, id)["type"]) == ("n", "custom")


def test_the_check_tells_true_and_false(service: Service, anybody: User) -> None:
    id, others = stored(anybody), stored(service.user())
    for asked, expected in ((id, "true"), (others, "false"), (id + 10**6, "false"), (2**63 - 1, "false")):
        answer = anybody.call("GET", f"/api/users/:username/check/connection/{asked}")
        assert (answer.status_code, answer.json()) == (200, {"message": expected})


@pytest.mark.parametrize(("method", "path", "body"), OF_ONE, ids=lambda part: str(part)[:45])
def test_anothers_id_answers_as_a_missing_one(
    service: Service, anybody: User, method: str, path: str, body: Any
) -> None:
    owner = service.user()
    id = stored(owner)
    others, missing = (anybody.call(method, path.format(asked), json=body) for asked in (id, id + 10**6))
    assert (others.status_code, others.json()) == NOT_FOUND
    assert others.content == missing.content
    assert read(owner, id) == {"id": str(id), "name": "n", "type": "spotify", "data": {"token": "t"}}


@pytest.mark.parametrize("text", ["", "x" * 255, "🔑" * 255, " %_\\ ", "e\u0301", "\u202e\u200b", "a\nb\r\n"])
def test_names_are_kept_letter_by_letter(anybody: User, text: str) -> None:
    id = stored(anybody, name=text)
    assert read(anybody, id)["name"] == listed(anybody)[-1]["name"] == text
    anybody.call("PUT", f"/api/users/:username/update/connection/name/{id}", json={"name": "between"})
    anybody.call("PUT", f"/api/users/:username/update/connection/name/{id}", json={"name": text})
    assert read(anybody, id)["name"] == text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "x" * 256, "type": "custom", "data": {"a": 1}}, "name"),
        ({"name": None, "type": "custom", "data": {"a": 1}}, "name"),
        ({"name": 5, "type": "custom", "data": {"a": 1}}, "name"),
        ({"type": "custom", "data": {"a": 1}}, "name"),
        ({"name": "n", "type": "", "data": {"a": 1}}, "type"),
        ({"name": "n", "type": "x" * 65, "data": {"a": 1}}, "type"),
        ({"name": "n", "data": {"a": 1}}, "type"),
        ({"name": "n", "type": "custom"}, "data"),
        ({"name": "n", "type": "custom", "data": None}, "data"),
        ({"name": "n", "type": "custom", "data": [1]}, "data"),
        ({"name": "n", "type": "custom", "data": "x"}, "data"),
        ({"name": "n", "type": "custom", "data": {"": 1}}, "data"),
        ({"name": "n", "type": "custom", "data": {"k" * 256: 1}}, "data"),
        ({"name": "n", "type": "custom", "data": {"a": 1}, "id": 5}, "id"),
        ({"name": "n", "type": "custom", "data": {"a": 1}, "user_id": 1}, "user_id"),
    ],
)
def test_a_body_outside_its_bounds_is_refused(anybody: User, body: dict[str, Any], field: str) -> None:
    before = listed(anybody)
    answer = anybody.call("POST", "/api/users/:username/add/connection", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_body")
    assert list(answer.json()["details"]) == [field]
    assert listed(anybody) == before


@pytest.mark.parametrize(
    "secret",
    [
        "-----BEGIN KEY-----\r\nAAAA\r\n-----END KEY-----\r\n",
        "  both ends \t\n",
        "e\u0301 \u00e9 \ufb01 \u1e9b\u0323",  # stays as it is: neither composed nor folded
        "\ufeff\u200b\u2028\u202e🔑\U0010ffff",
        "\x01\x1f\x7f\x85",
        "\\u0000 %00 \\ \" '",
        "x" * 60_000,
    ],
    ids=range(7),
)
def test_secrets_keep_their_exact_bytes(anybody: User, secret: str) -> None:
    data = {"host": "h", "username": "u", "password": secret, secret[:255]: secret[:99]}
    id = stored(anybody, "sshes", {"host": "h", "username": "u", "password": secret})
    assert read(anybody, id)["data"]["password"].encode() == secret.encode()
    anybody.call(
        "PUT", f"/api/users/:username/update/connection/data/{id}", json={"data": {**data, "password": "---"}}
    )
    assert read(anybody, id)["data"] == {**data, "password": secret}


@pytest.mark.parametrize(
    "value", [0, -1, 2**70, 1.5, True, False, [], {}, [[None]], "", {"null": None}, 1e300]
)
def test_values_of_any_kind_come_back_as_they_were(anybody: User, value: Any) -> None:
    id = stored(anybody, "custom", {"value": value})
    found = read(anybody, id)["data"]["value"]
    assert found == value and type(found) is type(value)
    assert listed(anybody)[-1]["data"] == {"value": MASK}


def test_one_more_than_allowed_is_refused(start_service: StartService) -> None:
    service = start_service(MAX_CONNECTIONS_PER_USER="2")
    user, other = service.user(), service.user()
    stored(user), stored(user)
    refused = add(user)
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_connections")
    body = {"name": "", "token_type": "git", "token": "t"}
    legacy = user.call("POST", "/api/users/:username/connections/addtoken", json=body)
    assert legacy.json() == refused.json()
    assert add(other).status_code == 201
    user.call("DELETE", f"/api/users/:username/connection/delete/{listed(user)[0]['id']}")
    assert add(user).status_code == 201


def test_many_at_once_store_no_more_than_allowed(start_service: StartService) -> None:
    service = start_service(MAX_CONNECTIONS_PER_USER="2")
    for user in [service.user() for _ in range(3)]:
        with ThreadPoolExecutor(20) as pool:
            found = [answer.status_code for answer in pool.map(add, [user] * 20)]
        assert sorted(found) == [201] * 2 + [409] * 18
        assert len(listed(user)) == 2


@pytest.mark.parametrize(
    "data",
    [
        {"z": 1, "a": {"y": [1.0, -0.0, 1e300, 2**70, None], "b": {}}, "m": "", "é": "\u202e🔑", "f": False},
        {"b": None, "a": "---x", "c": [None, {"n": None}]},
    ],
)
def test_what_is_told_of_an_addition_is_what_is_read(anybody: User, data: dict[str, Any]) -> None:
    added = add(anybody, "custom", data)
    found = anybody.call("GET", f"/api/users/:username/get/connection/{added.json()['id']}")
    told, kept = (re.sub(r'"id":"?\d+"?', '"id"', answer.text) for answer in (added, found))
    assert told == kept and list(added.json()["data"]) == list(found.json()["data"])


def test_what_is_told_of_an_addition_is_what_is_read_of_every_type(anybody: User) -> None:
    data = {"password": "p", "port": 22, "host": "h", "extra": {"x": 1}, "username": "u", "private_key": "k"}
    added = add(anybody, "sshes", data)
    assert added.status_code == 201, added.text
    found = read(anybody, added.json()["id"])
    assert list(added.json()["data"].items()) == list(found["data"].items())


def test_an_id_is_given_once(service: Service, anybody: User) -> None:
    other = service.user()
    first = stored(anybody)
    anybody.call("DELETE", f"/api/users/:username/connection/delete/{first}")
    second = stored(other)
    body = {"name": "", "token_type": "git", "token": "t"}
    anybody.call("POST", "/api/users/:username/connections/addtoken", json=body)
    third = int(listed(anybody)[-1]["id"])
    anybody.call("DELETE", f"/api/users/:username/connection/delete/{third}")
    assert first < second < third < stored(other)


def test_additions_of_many_users_at_once_have_ids_of_their_own(service: Service) -> None:
    users = [service.user() for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(stored, users * 6))
    assert len(set(ids)) == 24
    assert all(read(user, row["id"])["data"] == {"token": "t"} for user in users for row in listed(user))


def test_no_more_than_allowed_whichever_way_they_come(start_service: StartService) -> None:
    user = start_service(MAX_CONNECTIONS_PER_USER="2").user()
    body = {"name": "", "token_type": "git", "token": "t"}
    ways = [
        lambda: add(user),
        lambda: user.call("POST", "/api/users/:username/connections/addtoken", json=body),
    ]
    with ThreadPoolExecutor(20) as pool:
        found = [answer.status_code for answer in pool.map(lambda way: way(), ways * 10)]
    assert sorted(found) == [201] * 2 + [409] * 18
    events = user.call("GET", "/api/audit").json()["events"]
    assert [event["action"] for event in events].count("connection.add") == 2


def test_what_is_wrong_with_an_addition_is_told_to_those_who_stand(service: Service) -> None:
    user = service.user()
    path, bad = "/api/users/:username/add/connection", {"name": "n", "type": "nothing", "data": {"a": 1}}
    assert user.call("POST", path, json=bad).json()["code"] == "unknown_type"
    assert user.call("POST", path, json={}).json()["code"] == "invalid_body"
    user.call("POST", "/api/auth/logout")
    for body in (bad, {}):
        assert user.call("POST", path, json=body).json()["code"] == "token_invalid"
