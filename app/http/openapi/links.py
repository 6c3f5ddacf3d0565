"""What an answer is good for: which operations its values lead to (OpenAPI links)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_OWN = {"path.username": "$request.path.username"}
_ADDED = {**_OWN, "path.id": "$response.body#/id"}
_FIRST = {**_OWN, "path.id": "$response.body#/connections/0/id"}


def _to(operation: str, parameters: Mapping[str, str] = _OWN, body: Any = None) -> dict[str, Any]:
    link = {"operationId": operation, "parameters": dict(parameters)}
    return link if body is None else {**link, "requestBody": body}


_TOKEN_ID = "$response.body#/0/ID"
_READ_DATA = "$response.body#/data"

LINKS: Mapping[str, dict[str, Any]] = {
    "connections.add": {
        "read": _to("connections.read", _ADDED),
        "check": _to("connections.check", _ADDED),
        "rename": _to("connections.rename", _ADDED, {"name": "$request.body#/name"}),
        "replace": _to("connections.replace", _ADDED, {"data": "$request.body#/data"}),
        "delete": _to("connections.delete", _ADDED),
    },
    "connections.read": {
        "check": _to("connections.check", _ADDED),
        "replace": _to("connections.replace", _ADDED, {"data": _READ_DATA}),
    },
    "connections.every": {
        "read": _to("connections.read", _FIRST),
        "delete": _to("connections.delete", _FIRST),
    },
    "legacy_tokens.add": {
        "get": _to(
            "legacy_tokens.get",
            _OWN,
            {"name": "$request.body#/name", "token_type": "$request.body#/token_type"},
        ),
        "every": _to("legacy_tokens.every"),
    },
    "legacy_tokens.every": {
        "check": _to("legacy_tokens.check", _OWN, {"id": _TOKEN_ID}),
        "rename": _to("legacy_tokens.rename_own", _OWN, {"id": _TOKEN_ID, "name": "renamed"}),
        "replace": _to("legacy_tokens.replace_or_delete", _OWN, {"id": _TOKEN_ID, "token": "another"}),
        "delete": _to("legacy_tokens.delete", _OWN, {"id": _TOKEN_ID}),
    },
}
