"""What strangers may send: every route that reads a body refuses it alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.hostile import NOT_JSON
from tests.support.raw import exchange, request_head
from tests.support.service import Service, StartService, User

JSON = {"Content-Type": "application/json"}
NO_OBJECTS = {"array": b"[]", "text": b'"x"', "number": b"1", "true": b"true", "null": b"null"}
MEDIA = [
    None,
    "",
    "text/plain",
    "text/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/json-patch+json",
    "application/jsonx",
    "application/json; charset=utf-16",
    "application/json; charset=latin-1",
]


@pytest.fixture(scope="module")
def service(sqlite_service: Service) -> Service:
    return sqlite_service


@pytest.fixture(scope="module")
def caller(service: Service) -> User:
    return service.user()


@pytest.fixture(scope="module")
def routes(service: Service, caller: User) -> list[tuple[str, str]]:
    """Every route that reads a body, with the caller's name and some id in it."""
    found = [
        (method, rule.rule.replace("<username>", caller.username).replace("<row_id:id>", "1"))
        for rule in service.app.url_map.iter_rules()
        if hasattr(service.app.view_functions[rule.endpoint], "body")
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]
    assert len(found) >= 20 and not any("<" in path for _, path in found)
    return found


@pytest.fixture
def each(routes: list[tuple[str, str]], caller: User) -> Iterator[Any]:
    """Send a body to each route; afterwards nothing has changed for the caller."""

    def send(body: bytes, headers: dict[str, str] = JSON) -> Iterator[tuple[str, requests.Response]]:
        for method, path in routes:
            yield f"{method} {path}", caller.call(method, path, data=body, headers=headers)

    yield send
    listed = caller.call("GET", "/api/users/:username/get/connections")
    assert listed.json() == {"connections": []}


def assert_said(route: str, answer: requests.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), (route, answer.text)
    assert set(answer.json()) - {"details"} == {"error", "code"}, route
    assert answer.headers["Content-Type"] == "application/json", route


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_what_is_not_json_is_refused(each: Any, body: bytes) -> None:
    for route, answer in each(body):
        assert_said(route, answer, 400, "invalid_json")


@pytest.mark.parametrize("body", NO_OBJECTS.values(), ids=NO_OBJECTS.keys())
def test_what_is_no_object_is_refused(each: Any, body: bytes) -> None:
    for route, answer in each(body):
        assert_said(route, answer, 400, "invalid_body")


def test_an_empty_body_is_refused_where_one_is_needed(each: Any) -> None:
    for route, answer in each(b""):
        if not route.endswith("/authorize"):
            assert_said(route, answer, 400, "invalid_json")


@pytest.mark.parametrize("media", MEDIA)
def test_another_media_type_is_refused(each: Any, media: str | None) -> None:
    for route, answer in each(b'{"x": 1}', {} if media is None else {"Content-Type": media}):
        assert_said(route, answer, 415, "not_json")


@pytest.mark.parametrize("media", ["application/json; charset=utf-8", 'APPLICATION/JSON;charset="UTF-8"'])
def test_utf_8_may_be_named(each: Any, media: str) -> None:
    for route, answer in each(b"[]", {"Content-Type": media}):
        assert_said(route, answer, 400, "invalid_body")


@pytest.mark.parametrize(
    "field", ["user_id", "owner", "status", "is_admin", "_method", "UserID", "__proto__", ""]
)
def test_fields_that_are_not_documented_are_refused(each: Any, field: str) -> None:
    for route, answer in each(json.dumps({field: 1}).encode()):
        assert_said(route, answer, 400, "invalid_body")
        assert field in answer.json()["details"], route


def test_what_is_wrong_is_told_by_field(each: Any) -> None:
    for route, answer in each(b'{"\xf0\x9f\x94\x91": 1}'):
        details = answer.json()["details"]
        assert details["🔑"] == ["Unknown field."], route
        assert all(isinstance(text, str) for found in details.values() for text in found)


def test_a_body_that_is_announced_too_large_is_refused_unread(
    service: Service, routes: Any, caller: User
) -> None:
    for method, path in routes:
        head = request_head(
            service,
            f"{method} {path}",
            content_type="application/json",
            content_length="65537",
            authorization=caller.token,
        )
        answer = exchange(service, head)
        assert (answer.status, json.loads(answer.content)["code"]) == (413, "body_too_large"), path


def test_a_body_in_chunks_is_counted_too(service: Service, routes: Any, caller: User) -> None:
    for method, path in routes:
        head = request_head(
            service,
            f"{method} {path}",
            content_type="application/json",
            transfer_encoding="chunked",
            authorization=caller.token,
        )
        answer = exchange(
            service, head, b"20000\r\n" + b" " * 65537
        )  # and waits, with half of the chunk unsent
        assert (answer.status, json.loads(answer.content)["code"]) == (413, "body_too_large"), path


def test_the_bounds_themselves_are_within(user: User) -> None:
    def add(data: Any, *, length: int = 0) -> requests.Response:
        body = json.dumps({"name": "", "type": "custom", "data": data}).encode().ljust(length)
        return user.call("POST", "/api/users/:username/add/connection", data=body, headers=JSON)

    deep: Any = "x"
    for _ in range(30):
        deep = [deep]
    assert add({"a": deep}, length=65536).status_code == 201
    assert add({"a": [deep]}).status_code == 400
    assert add({"a": "[" * 1000 + '"\\' + "{" * 1000}).status_code == 201  # brackets in a text nest nothing


def test_a_hundred_thousand_brackets(start_service: StartService) -> None:
    user = start_service(MAX_BODY_BYTES="1000000").user()
    for bracket in (b"[", b'{"a":', b'[{"a":'):
        answer = user.call(
            "POST", "/api/users/:username/add/connection", data=bracket * 100_000, headers=JSON
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")
