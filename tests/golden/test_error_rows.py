"""Every row of the error tables of the OAuth connections document: status and sentence, to the letter."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import jwt
import pytest
import requests

from tests.http.test_oauth import query_of
from tests.support.browser import Agent
from tests.support.providers import Fault
from tests.support.service import Service, StartService, User

DISPLAY = {"gmail": "Gmail", "facebook": "Facebook", "github": "GitHub", "spotify": "Spotify"}


@dataclass
class Case:
    """One service of the document, and everything that is needed to provoke an error there."""

    name: str
    service: Service
    user: User
    agent: Agent
    fault: Fault

    @property
    def path(self) -> str:
        return f"/api/connections/{self.name}"

    def bearer(self, method: str, path: str, token: str | None) -> requests.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return self.service.call(method, path, headers=headers)

    def callback(self, query: str) -> requests.Response:
        return self.agent.call("GET", f"{self.path}/callback?{query}")

    def state(self) -> str:
        return query_of(self.agent.start(self.user, self.name))["state"]

    def disable(self) -> None:
        self.service.app.test_cli_runner().invoke(args=["services", "disable", self.name])


def expired(case: Case) -> str:
    claims = {"user_id": case.user.id, "exp": int(time.time()) - 1}
    return jwt.encode(claims, case.service.environ["JWT_SECRET_KEY"], algorithm="HS256")


def nobodys(case: Case) -> str:
    claims = {"exp": int(time.time()) + 60}
    return jwt.encode(claims, case.service.environ["JWT_SECRET_KEY"], algorithm="HS256")


def not_offered(case: Case, method: str) -> requests.Response:
    case.disable()
    return case.user.call(method, case.path)


def callback_not_offered(case: Case) -> requests.Response:
    state = case.state()
    case.disable()
    return case.callback(f"code=x&state={state}")


def failing_identity(case: Case) -> requests.Response:
    provider = "google" if case.name == "gmail" else case.name
    case.fault(provider, "identity", "status", status=500)
    return case.agent.connect(case.user, case.name)


def denied(case: Case) -> requests.Response:
    url = case.agent.start(case.user, case.name)
    return case.agent.call("GET", case.agent.consent(url, deny=True))


Row = tuple[str, int, str, Callable[[Case], requests.Response]]

GENERAL: list[Row] = [
    (f"{method} {path}", 401, sentence, provoke)
    for method, path in (("GET", "/api/connections"), ("DELETE", "/api/connections/reset"))
    for sentence, provoke in (
        ("Authorization token is missing", lambda case, m=method, p=path: case.bearer(m, p, None)),
        ("Invalid or expired token", lambda case, m=method, p=path: case.bearer(m, p, expired(case))),
    )
]
START: list[Row] = [
    ("start", 401, "Authentication required", lambda case: case.bearer("GET", case.path, None)),
    ("start", 401, "Invalid token", lambda case: case.bearer("GET", case.path, "malformed")),
    (
        "start",
        401,
        "Invalid token payload",
        lambda case: case.bearer("GET", case.path, nobodys(case)),
    ),
]
CALLBACK: list[Row] = [
    ("callback", 400, "Invalid session", lambda case: case.callback("code=x&state=nobodys")),
    ("callback", 404, "{display} service not found", callback_not_offered),
    ("callback", 500, "OAuth failed: the provider is not available", failing_identity),
]
SPOTIFY_CALLBACK: list[Row] = [
    ("callback", 400, "OAuth error: access_denied", denied),
    ("callback", 400, "Missing authorization code or state", lambda case: case.callback("")),
    ("callback", 400, "Invalid or expired OAuth state", lambda case: case.callback("code=x&state=y")),
    ("callback", 404, "{display} service not found", callback_not_offered),
    (
        "callback",
        500,
        "Token exchange failed: the provider refused the authorization code",
        lambda case: case.callback(f"code=x&state={case.state()}"),
    ),
    ("callback", 500, "OAuth failed: the provider is not available", failing_identity),
]
DELETE: list[Row] = [
    ("delete", 401, "Authorization token is missing", lambda case: case.bearer("DELETE", case.path, None)),
    ("delete", 401, "Invalid or expired token", lambda case: case.bearer("DELETE", case.path, expired(case))),
    ("delete", 404, "{display} service not found", lambda case: not_offered(case, "DELETE")),
    ("delete", 404, "{display} not connected", lambda case: case.user.call("DELETE", case.path)),
]

ROWS = [("gmail", row) for row in GENERAL] + [
    (name, row)
    for name in DISPLAY
    for row in (*START, *(SPOTIFY_CALLBACK if name == "spotify" else CALLBACK), *DELETE)
]


def test_the_document_has_47_rows() -> None:
    assert len(ROWS) == 47


@pytest.mark.parametrize(("name", "row"), ROWS, ids=[f"{name}-{row[0]}-{row[2]}" for name, row in ROWS])
def test_error_row(name: str, row: Row, service: Service, start_service: StartService, fault: Fault) -> None:
    _, status, sentence, provoke = row
    used = start_service() if "service not found" in sentence else service
    answer = provoke(Case(name, used, used.user(), Agent(used), fault))
    assert answer.status_code == status
    assert answer.json()["error"] == sentence.format(display=DISPLAY[name])
