"""What views answer that make their response themselves, and so have no schema to be read off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_URL = {"type": "string", "format": "uri"}
_LOCATION = {"Location": {"description": "Where to go on.", "required": True, "schema": _URL}}


def _json(description: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema, **more}}}


def _text(description: str, media_type: str) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": {"type": "string"}}}}


def _state(*words: str, part: tuple[str, ...] = ()) -> dict[str, Any]:
    properties: dict[str, Any] = {"status": {"type": "string", "enum": list(words)}}
    if part:
        properties["part"] = {"type": "string", "enum": list(part)}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_OK = _state("ok")
_ACCESS = {
    "200": _json(
        "The URL, under two keys",
        {
            "type": "object",
            "properties": {"url": _URL},
            "required": ["url"],
            "patternProperties": {"^[a-z]+_url$": _URL},
            "additionalProperties": False,
            "minProperties": 2,
            "maxProperties": 2,
        },
    )
}
_CALLBACK = {
    "200": {
        "description": "Connected; for a browser that comes back from an access URL, a page that asks first",
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Callback"}},
            "text/html": {"schema": {"type": "string"}},
        },
    },
    "303": {
        "description": "To `return_to`, with `?connected=<service>` or `?error=<code>`",
        "headers": _LOCATION,
    },
}
_NOT_MODIFIED = {"304": {"description": "It is as it was: the ETag is the same"}}

ANSWERS: Mapping[str, dict[str, Any]] = {
    "start": {"302": {"description": "To the provider", "headers": _LOCATION}},
    "callback": _CALLBACK,
    "callback.callback": _CALLBACK,
    "access_urls.by_token_type": _ACCESS,
    "access_urls.by_service": _ACCESS,
    "access_urls.by_service_as_token": _ACCESS,
    "health.alive": {"200": _json("It lives", _OK)},
    "health.ready": {
        "200": _json(
            "It can serve",
            {"oneOf": [_OK, _state("degraded", part=("redis", "spool"))]},
        ),
        "503": _json("It cannot serve", _state("unavailable", part=("database", "schema or keys"))),
    },
    "metrics.metrics": {"200": _text("The numbers", "text/plain")},
    "openapi.document": {"200": _json("OpenAPI 3.1", {"type": "object"}), **_NOT_MODIFIED},
    "openapi.reference": {"200": _text("The page", "text/html")},
}
