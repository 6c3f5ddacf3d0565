"""Accounts, without the ceremony of a `User`: any name, any body, the bare answer."""

from __future__ import annotations

import uuid
from typing import Any

import requests

from tests.support.service import PASSWORD, Service

AUTH = "/api/auth"


def fresh() -> str:
    return f"p{uuid.uuid4().hex[:12]}"


def post(service: Service, what: str, **body: Any) -> requests.Response:
    return service.call("POST", f"{AUTH}/{what}", json=body)


def register(service: Service, username: str, **body: Any) -> requests.Response:
    body = {"email": f"{fresh()}@example.com", "password": PASSWORD, **body}
    return post(service, "register", username=username, **body)


def with_token(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def status_of(service: Service, token: str) -> int:
    return service.call("GET", f"{AUTH}/me", headers=with_token(token)).status_code
