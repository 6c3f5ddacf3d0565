"""What is answered is as the document says: successes, failures, and where its links lead."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.golden.examples import Example
from tests.golden.replay import add, add_token, replay
from tests.http.test_openapi import GOLDEN
from tests.support.browser import Agent
from tests.support.contract import Document, holds, operations, served
from tests.support.service import PASSWORD, Service, StartService

USERS = "/api/users/{username}"
SSH = {"host": "37.152.181.64", "password": "eeeeeeeeeeeeeee", "username": "reza"}
REPLAYED = [(verb, example) for verb, found in GOLDEN.items() for example in found]


@pytest.fixture(scope="module")
def service(sqlite_service: Service) -> Service:
    return sqlite_service


@pytest.fixture(scope="module")
def document(service: Service) -> Document:
    return served(service)


@pytest.mark.parametrize(("verb", "example"), REPLAYED, ids=lambda value: getattr(value, "path", value))
def test_what_is_answered_to_them_is_as_told(
    service: Service, document: Document, verb: str, example: Example
) -> None:
    user = service.user()
    token, typed = add_token(user, "git1", "git", "t"), add(user, "ssh9", "sshes", SSH)
    answer = replay(user, example, id=typed if ":id" in example.path else token)
    assert answer.status_code == example.status
    method, path = next(
        (method, path) for method, path, told in operations(document) if told["operationId"] == verb
    )
    assert holds(document, method, path, answer) == []


@pytest.mark.parametrize("name", ["gmail", "github", "spotify"])
def test_what_is_answered_of_a_service_is_as_told(service: Service, document: Document, name: str) -> None:
    user, agent = service.user(), Agent(service)
    path = f"/api/connections/{name}"
    for method, end in (("GET", ""), ("POST", ""), ("POST", "/authorize"), ("GET", "/token"), ("DELETE", "")):
        assert holds(document, method, path + end, user.call(method, path + end)) == [], (method, end)
    assert holds(document, "GET", f"{path}/callback", agent.connect(user, name)) == []
    for method, end in (("GET", "/token"), ("GET", "/status"), ("POST", "/test"), ("DELETE", "")):
        answer = user.call(method, path + end)
        assert answer.status_code == 200
        assert holds(document, method, path + end, answer) == [], (method, end)


@pytest.mark.parametrize(
    "path",
    [
        "/api/audit",
        "/api/auth/me",
        "/api/connections",
        "/api/connections/revocations",
        "/api/docs",
        "/api/openapi.json",
        "/callback",
        "/healthz",
        "/metrics",
        "/readyz",
    ],
)
def test_what_is_answered_elsewhere_is_as_told(service: Service, document: Document, path: str) -> None:
    assert holds(document, "GET", path, service.user().call("GET", path)) == []


def test_what_is_answered_to_an_account_is_as_told(service: Service, document: Document) -> None:
    user = service.user()
    name, password = {"username": user.username}, {"password": PASSWORD}
    other = {"email": "other@example.com", **password}
    change = {"current_password": PASSWORD, "new_password": PASSWORD}
    refresh = {"Authorization": f"Bearer {user.refresh_token}"}
    calls: list[tuple[str, str, int, dict[str, Any]]] = [
        ("POST", "/api/auth/register", 409, {"json": {**name, **other}}),
        ("POST", "/api/auth/login", 200, {"json": {**name, **password}}),
        ("POST", "/api/auth/login", 401, {"json": {**name, "password": "wrong"}}),
        ("PUT", "/api/auth/password", 200, {"json": change}),
        ("POST", "/api/auth/refresh", 200, {"headers": refresh}),
        ("DELETE", "/api/auth/me", 403, {"json": {"password": "wrong"}}),
        ("POST", "/api/auth/logout", 200, {}),
        ("POST", "/api/auth/logout", 401, {}),
    ]
    for method, path, status, sent in calls:
        answer = user.call(method, path, **sent)
        assert answer.status_code == status, (path, answer.text)
        assert holds(document, method, path, answer) == [], path


@pytest.mark.parametrize(
    ("status", "code", "sent"),
    [
        (400, "invalid_json", {"data": b"{", "headers": {"Content-Type": "application/json"}}),
        (400, "invalid_body", {"json": {}}),
        (400, "unknown_type", {"json": {"name": "", "type": "unheard", "data": {"a": 1}}}),
        (400, "invalid_data", {"json": {"name": "", "type": "sshes", "data": {"a": 1}}}),
        (400, "on_behalf_of_refused", {"headers": {"X-On-Behalf-Of": "me"}}),
        (401, "token_missing", {"headers": {"Authorization": ""}}),
        (401, "token_invalid", {"headers": {"Authorization": "Bearer x"}}),
        (413, "body_too_large", {"data": b" " * 65537, "headers": {"Content-Type": "application/json"}}),
        (415, "not_json", {"data": b"{}"}),
    ],
)
def test_failures_are_as_told(
    service: Service, document: Document, status: int, code: str, sent: dict[str, Any]
) -> None:
    answer = service.user().call("POST", "/api/users/:username/add/connection", **sent)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert holds(document, "POST", f"{USERS}/add/connection", answer) == []


def test_what_is_refused_or_not_there_is_as_told(service: Service, document: Document) -> None:
    for path, status in (("/api/users/another/get/connection/1", 403), (f"{USERS}/get/connection/1", 404)):
        user = service.user()
        answer = user.call("GET", path.format(username=user.username))
        assert answer.status_code == status
        assert holds(document, "GET", f"{USERS}/get/connection/{{id}}", answer) == []


def test_too_much_is_as_told(start_service: StartService, document: Document) -> None:
    limited = start_service(
        RATELIMIT_ENABLED="true", RATELIMIT_DEFAULT="1/hour", MAX_CONNECTIONS_PER_USER="1"
    )
    for path in ("/api/docs", "/api/openapi.json"):
        answer = limited.call("GET", path)
    assert answer.status_code == 429 and holds(document, "GET", path, answer) == []


@pytest.mark.parametrize(
    ("id", "body"),
    [
        ("connections.add", {"name": "n", "type": "sshes", "data": SSH}),
        ("connections.read", None),
        ("connections.every", None),
        ("legacy_tokens.add", {"name": "n", "token_type": "git", "token": "t"}),
        ("legacy_tokens.every", None),
    ],
)
def test_every_link_leads_on(service: Service, document: Document, id: str, body: Any) -> None:
    """From one answer, in the order in which the document has them: what is deleted comes last."""
    user, known = service.user(), {told["operationId"]: each for *each, told in operations(document)}
    add_token(user, "n", "git", "t")
    parameters = {"username": user.username, "id": str(add(user, "n", "sshes", SSH))}
    method, path = known[id]
    answer = user.call(method, path.format(**parameters), json=body)
    for link in links_of(document, id):
        values = json.loads(filled(json.dumps(link), parameters, body, answer.json()))
        method, path = known[link["operationId"]]
        given = {name.removeprefix("path."): value for name, value in values["parameters"].items()}
        followed_to = user.call(method, path.format(**given), json=values.get("requestBody"))
        assert followed_to.status_code == 200, (link, followed_to.text)


def links_of(document: Document, id: str) -> list[Document]:
    told = next(told for *_, told in operations(document) if told["operationId"] == id)
    [links] = [answer["links"] for answer in told["responses"].values() if "links" in answer]
    return list(links.values())


def filled(link: str, parameters: dict[str, str], body: Any, answer: Any) -> str:
    """Return a link with its runtime expressions evaluated."""
    for name, value in parameters.items():
        link = link.replace(f"$request.path.{name}", value)
    for source, document in (("$request.body#", body), ("$response.body#", answer)):
        for found in re.findall(rf'"({re.escape(source)}[^"]*)"', link):
            value = document
            for name in found.removeprefix(source).strip("/").split("/"):
                value = value[int(name) if isinstance(value, list) else name]
            link = link.replace(f'"{found}"', json.dumps(value))
    return link
