"""Who may call, as security schemes and what each guard asks for."""

from __future__ import annotations

from typing import Any

from app.services.service_keys import PREFIX

from ..marks import Guard, Marks

SCHEMES: dict[str, Any] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "`Authorization: Bearer <token>`, the access token of a login or the JWT of a host "
        "application.",
    },
    "bare": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "The same token by itself, as older clients send it.",
    },
    "query": {
        "type": "apiKey",
        "in": "query",
        "name": "token",
        "description": "The same token in the URL, where a browser is sent. Refused from a page of another "
        "site, and with STRICT_CONNECT everywhere.",
    },
    "service_key": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": f"{PREFIX}…",
        "description": "A key that the operator made for a program, good for its scopes alone.",
    },
    "on_behalf_of": {
        "type": "apiKey",
        "in": "header",
        "name": "X-On-Behalf-Of",
        "description": "The username that a service key acts for, as UTF-8. Refused beside a JWT.",
    },
    "refresh": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The refresh token of a login.",
    },
}

_OWN: tuple[dict[str, list[str]], ...] = ({"bearer": []}, {"bare": []})


def security(marks: Marks) -> list[dict[str, list[str]]]:
    """Return the ways to call, each of which is enough."""
    if marks.guard is Guard.ANYBODY:
        return []
    if marks.guard is Guard.LOGIN:
        return [{"refresh": []}]
    key = [{"service_key": [str(marks.scope)], "on_behalf_of": []}] if marks.scope else []
    query: list[dict[str, list[str]]] = [{"query": []}] if marks.guard is Guard.STARTER else []
    return [*_OWN, *query, *key]


_WAYS = {
    "bearer": "a user's token, as Bearer",
    "bare": "a user's token by itself",
    "query": "a user's token as `?token=`",
    "refresh": "a refresh token, as Bearer",
}


def told(way: dict[str, list[str]]) -> str:
    """Return one way to call in words."""
    if "service_key" not in way:
        return _WAYS[next(iter(way))]
    return f"a service key with the scope `{way['service_key'][0]}`, and `X-On-Behalf-Of`"
