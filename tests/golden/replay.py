"""Send an example, and compare what comes back with what is printed."""

from __future__ import annotations

import json
import re
from typing import Any

import requests

from tests.golden.examples import Example
from tests.support.service import User

FORMS = {
    "microseconds": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"),
    "seconds": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
}


def shape(value: Any) -> Any:
    """Return what must not differ between two answers: keys, types, the form of a moment."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    form = next(
        (name for name, form in FORMS.items() if isinstance(value, str) and form.fullmatch(value)), ""
    )
    return (type(value), form)


def replay(user: User, example: Example, *, id: object = "") -> requests.Response:
    """Send an example as this user, with this id where the document prints one of its own."""
    body = example.body and re.sub(r'("id"\s*:\s*)\d+', rf"\g<1>{id}", example.body)
    return send(user, example, body, id=id)


def send(user: User, example: Example, body: str | None, *, id: object = "") -> requests.Response:
    path = example.path.replace(":id", str(id))
    headers = {} if body is None else {"Content-Type": "application/json"}
    return user.call(example.method, path, data=body, headers=headers)


def matches(answer: requests.Response, example: Example) -> bool:
    """Tell whether this is the documented answer: status, keys, types, and each message to the letter."""
    got, documented = answer.json(), json.loads(example.response)
    same_message = "message" not in documented or got["message"] == documented["message"]
    return (answer.status_code, shape(got), same_message) == (example.status, shape(documented), True)


def tokens_of(user: User) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = user.call("GET", "/api/users/:username/connection/gettokens").json()
    return found


def add_token(user: User, name: str, token_type: str, token: str) -> int:
    body = {"name": name, "token_type": token_type, "token": token}
    assert user.call("POST", "/api/users/:username/connections/addtoken", json=body).status_code == 201
    return int(tokens_of(user)[-1]["ID"])


def add(user: User, name: str, type: str, data: dict[str, Any]) -> int:
    body = {"name": name, "type": type, "data": data}
    answer = user.call("POST", "/api/users/:username/add/connection", json=body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])
