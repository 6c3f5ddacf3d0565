"""What the document says once for all operations."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from app.providers import PROVIDERS
from config import Config

from .routes import Route

# Concerns in the order in which they are read, and what each is.
_CONCERNS = {
    "accounts": ("Accounts", "The accounts of this service."),
    "legacy_tokens": ("Legacy tokens", "Typed connections that hold one token, seen through the old shapes."),
    "connections": ("Typed connections", "Secrets of a declared shape."),
    "access_urls": ("Access URLs", "Where a caller sends its user, for a flow bound to no browser."),
    "services": ("Services", "What concerns all services together."),
    **{provider.name: (provider.title, f"{provider.title}, by OAuth.") for provider in PROVIDERS},
    "callback": ("Callback", "The callback of every provider."),
    "audit": ("Audit", "What was done with what is the caller's, and what was refused."),
    "health": ("Health", "For load balancers and operators. Answers whatever the host."),
    "metrics": ("Metrics", "For Prometheus."),
    "openapi": ("Reference", "This document, for programs and for people."),
}

_ANY_ORIGIN = r"https?://[^/?#\\@\s]+"

_DESCRIPTION = """\
JSON in, JSON out, UTF-8. Moments are UTC, ISO 8601 with `Z`. A body is sent as `application/json`; texts hold
neither NUL nor lone surrogates, an object has no key twice, and nothing is nested deeper than 32 levels.
Answers are never cached, and carry `X-Request-Id`.

Every failure is `{{"error": sentence, "code": code}}`, with `details` by field where a body or a query does
not fit. Programs go by the code: it never changes. A path that is not here answers 404 `not_found`, a method
that a path does not take 405 `method_not_allowed`.

Limits: a body has at most {bytes} bytes; a user keeps at most {connections} connections; an access token
lives for {access} seconds, a login for {refresh} seconds after its last renewal. {rates}"""


def description(config: Config) -> str:
    return _DESCRIPTION.format(
        bytes=config.max_body_bytes,
        connections=config.max_connections_per_user,
        access=config.tokens.access_ttl,
        refresh=config.tokens.refresh_ttl,
        rates=_rates(config),
    )


def _rates(config: Config) -> str:
    rates = config.rate_limits
    if rates is None:
        return "Requests are not counted."
    told = {
        "of a caller": rates.default,
        "that show secrets": rates.secrets,
        "of a service key": rates.service_key,
        "that begin a flow": rates.start,
        "that end one": rates.callback,
        "to sign in": rates.login,
        "to register": rates.register,
    }
    return "Requests are counted: " + ", ".join(f"{rate} {what}" for what, rate in told.items()) + "."


def return_to(config: Config) -> str:
    """Return the pattern of an address that may be returned to, of these origins where any are set."""
    origins = [re.sub(r"([.\[\]])", r"\\\1", origin) for origin in sorted(config.return_to_origins)]
    return rf"^({'|'.join(origins) or _ANY_ORIGIN})([/?#][!-\[\]-~]*)?$"


def tags(routes: Iterable[Route]) -> list[dict[str, str]]:
    served = {route.concern for route in routes}
    return [
        {"name": name, "description": told}
        for concern, (name, told) in _CONCERNS.items()
        if concern in served
    ]


def concern_of(route: Route) -> str:
    return _CONCERNS[route.concern][0]


def _query(name: str, description: str) -> dict[str, Any]:
    return {"in": "query", "name": name, "description": description, "schema": {"type": "string"}}


CALLBACK_PARAMETERS = (
    _query("code", "The provider's authorization code."),
    _query("state", "What the flow began with."),
    _query("error", "Why there is no code."),
    _query("iss", "Who answers (RFC 9207); where it is sent, it must be the provider."),
)
