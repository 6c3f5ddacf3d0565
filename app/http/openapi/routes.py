"""Which routes the document describes, read off the URL map, and what each is called there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from flask import Flask
from werkzeug.routing import Rule

from app.oauth.provider import ServiceDeclaration
from app.providers import PROVIDERS

from .. import marks
from ..marks import Marks

BESIDE_THE_API = frozenset(("/healthz", "/readyz", "/metrics", "/callback"))
METHODS = ("GET", "DELETE", "PUT", "POST")  # the first of a route has its plain name


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. `verb` is what it does, whichever service it is for; `id` is unique."""

    id: str
    verb: str
    method: str
    path: str
    concern: str
    service: ServiceDeclaration | None
    parameters: tuple[str, ...]
    marks: Marks

    @property
    def is_callback(self) -> bool:
        return self.verb in ("callback", "callback.callback")


def routes_of(app: Flask) -> list[Route]:
    """Return every operation that programs call, in the order of the URL map."""
    return [route for rule in app.url_map.iter_rules() if _is_for_programs(rule) for route in _of(app, rule)]


def _is_for_programs(rule: Rule) -> bool:
    return rule.rule.startswith("/api/") or rule.rule in BESIDE_THE_API


def _of(app: Flask, rule: Rule) -> Iterator[Route]:
    concern, _, name = rule.endpoint.rpartition(".")
    service, verb = _verb(concern, name)
    methods = [method for method in METHODS if method in (rule.methods or ())]
    for method in methods:
        yield Route(
            id=_id(concern, name, service, verb, "" if method == methods[0] else f".{method.lower()}"),
            verb=verb,
            method=method.lower(),
            path=re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule),
            concern=concern,
            service=service,
            parameters=tuple(re.findall(r"<(?:[^:<>]+:)?([^<>]+)>", rule.rule)),
            marks=marks.of(app.view_functions[rule.endpoint]),
        )


def _verb(concern: str, name: str) -> tuple[ServiceDeclaration | None, str]:
    """Return the service of a route that a provider's blueprint has, and what the route does."""
    provider = next((each for each in PROVIDERS if each.name == concern), None)
    if provider is None:
        return None, f"{concern}.{name}"
    named = next((each for each in provider.services if name.startswith(f"{each.name}_")), None)
    service = named or provider.service
    return service, name.removeprefix(f"{service.name}_")


def _id(concern: str, name: str, service: ServiceDeclaration | None, verb: str, method: str) -> str:
    return f"{concern}.{name}{method}" if service is None else f"{service.name}.{verb}{method}"
