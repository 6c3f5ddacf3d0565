"""Service keys of the tests' own, made as an operator makes them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

import requests

from tests.support.service import Service, User

ALL = ("read_metadata", "read_secrets", "write")


@dataclass
class Key:
    service: Service
    name: str
    secret: str = field(repr=False)

    def call(self, method: str, path: str, user: User | str | None, **kwargs: object) -> requests.Response:
        """Call for a user. `:username` in the path is theirs."""
        name = user.username if isinstance(user, User) else user
        headers = {"Authorization": f"Bearer {self.secret}"}
        if name is not None:
            headers["X-On-Behalf-Of"] = name.encode().decode("latin-1")
        return self.service.call(method, path.replace(":username", name or "x"), headers=headers, **kwargs)


def make_key(service: Service, *words: str, scopes: tuple[str, ...] = ALL, name: str | None = None) -> Key:
    """Run `service-keys create`; `words` are further options."""
    name = name or f"k{uuid.uuid4().hex[:12]}"
    command = ["service-keys", "create", name, *words]
    for scope in scopes:
        command += ["--scope", scope]
    done = service.app.test_cli_runner().invoke(args=command)
    assert done.exit_code == 0, done.output
    return Key(service, name, done.stdout.strip())
