"""The documents are true: every setting, route, error, provider and type stands in them, and nothing else."""

from __future__ import annotations

import re

import pytest

from app import create_app
from app.connection_types import CONNECTION_TYPES, ConnectionType
from app.oauth.provider import Provider
from app.providers import PROVIDERS, SERVICES
from config import Config, RateLimits
from tests.support.databases import ROOT
from tests.support.settings import base_settings

API = (ROOT / "docs/api.md").read_text()
SETTINGS = (ROOT / "docs/settings.md").read_text()


def documented_routes() -> set[tuple[str, str]]:
    found = re.findall(r"^\| `(GET|POST|PUT|DELETE) (/[^` ]*)`", API, re.MULTILINE)
    return {(method, path) for method, path in found}


def served_routes() -> set[tuple[str, str]]:
    """The URL map, written as the document writes it."""
    app = create_app(Config.from_env({**base_settings(), "DATABASE_URL": "sqlite://"}))
    found = set()
    names = "|".join(service.name for service in SERVICES)
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<row_id:id>", ":id", str(rule)).replace("<username>", ":username")
        path = path.replace("<service:service>", "<service>")
        path = re.sub(rf"^/api/connections/({names})(?=/|$)", "/api/connections/<service>", path)
        methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not path.startswith("/static"):
            found |= {(method, path) for method in methods}
    return found


def test_every_route_is_documented_and_every_documented_one_is_served() -> None:
    told_beside = {("POST", "/api/connections/<service>"), ("POST", "/connect/<ticket>")}
    assert documented_routes() | told_beside == served_routes()


def test_every_setting_is_documented() -> None:
    source = (ROOT / "config.py").read_text()
    read = set(re.findall(r'"([A-Z][A-Z_]{4,})"', source)) - {provider.name.upper() for provider in PROVIDERS}
    read -= {"OAUTHLIB_INSECURE_TRANSPORT"}
    read -= {"SECRET"}  # the half of a pair that a message names
    read |= {f"P_{suffix}" for suffix in re.findall(r'\{name\}_([A-Z_]+)"', source)}
    read |= {f"RATELIMIT_{word.upper()}" for word in RateLimits.__slots__}
    told = set(re.findall(r"`((?:P_)?[A-Z][A-Z_]{4,})`", SETTINGS)) - {
        provider.name.upper() for provider in PROVIDERS
    }
    assert told - {"P_CLIENT_ID", "P_CLIENT_SECRET"} == read - {"P_CLIENT_ID", "P_CLIENT_SECRET"}


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_every_provider_is_documented(provider: Provider) -> None:
    line = next(
        line
        for line in (ROOT / "docs/providers.md").read_text().splitlines()
        if line.startswith(f"| {provider.name} |")
    )
    assert f"`{provider.name.upper()}_CLIENT_ID`" in line
    assert f"/api/connections/{provider.service.name}/callback" in line


@pytest.mark.parametrize("known", CONNECTION_TYPES, ids=lambda known: known.name)
def test_every_type_and_its_fields_are_documented(known: ConnectionType) -> None:
    rows = [line for line in API.splitlines() if re.search(rf"^\| [^|]*`{known.name}`[^|]*\|", line)]
    assert len(rows) == 1
    told = rows[0].split("|")[2]
    for field in known.fields:
        mark = f"*`{field.name}`*" if field.secret else f"`{field.name}`"
        assert mark in told and (field.secret or f"*{mark}*" not in told), field.name


def test_the_examples_of_contributing_are_whole() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        compile(re.sub(r"^   ", "", block, flags=re.MULTILINE), "example", "exec")
