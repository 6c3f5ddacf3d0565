"""Rings of encryption keys, servers that differ in nothing else, and the command that deals with keys."""

from __future__ import annotations

import base64
import functools
import json
import os
from typing import Any

from click.testing import Result

from tests.support.service import Service, StartService, twin_of
from tests.support.settings import ENCRYPTION_KEY


@functools.cache
def _key(id: str) -> str:
    return ENCRYPTION_KEY if id == "k1" else base64.b64encode(os.urandom(32)).decode()


def ring(*ids: str) -> str:
    """Return ENCRYPTION_KEYS with these keys, newest first. A service that is told nothing has k1."""
    return ",".join(f"{id}:{_key(id)}" for id in ids)


def twin_with(start_service: StartService, service: Service, *ids: str, ready: bool = True) -> Service:
    """Start another server with these keys behind the same public URL, and ask it whether it is ready."""
    public_url = service.environ["PUBLIC_URL"]
    twin = start_service(**twin_of(service) | {"ENCRYPTION_KEYS": ring(*ids), "PUBLIC_URL": public_url})
    assert twin.call("GET", "/readyz").status_code == (200 if ready else 503)
    return twin


def keys(server: Service, *words: str) -> Result:
    """Run `flask --app wsgi keys` with the settings of this server."""
    done: Result = server.app.test_cli_runner().invoke(args=["keys", *words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def listed(server: Service) -> dict[str | None, dict[str, Any]]:
    """Return what `keys list` says of each key."""
    done = keys(server, "list", "--json")
    assert done.exit_code == 0, done.output
    return {key.pop("id"): key for key in json.loads(done.stdout)}
