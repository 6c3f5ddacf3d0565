"""A user who has one of each thing that is stored sealed, and how each is opened again over HTTP."""

from __future__ import annotations

from urllib.parse import urlsplit

from sqlalchemy import update

from app.extensions import db
from app.models import Revocation
from app.providers import provider_named
from app.services import ending
from tests.http.test_unbound import access_url, is_connected
from tests.support.browser import Agent, new_account
from tests.support.providers import Fault, Sandbox
from tests.support.rows import ago
from tests.support.service import Service

DISCORD = provider_named("discord")
SSH = {"host": "192.0.2.7", "username": "reza", "password": "a password"}
SEALED = {"connections": 2, "grants": 1, "flows": 3, "revocations": 1}


class Everything:
    """Two connections, a grant, flows at every stage, a revocation that its provider did not take."""

    def __init__(self, service: Service, sandbox: Sandbox, fault: Fault) -> None:
        self.service, self.sandbox, self.user, self.provider = service, sandbox, service.user(), DISCORD
        self.id = self._add("sshes", SSH)
        self._add("telegrams", {"token": "a token"})
        self.account = self._connect("discord")
        self.asked = Agent(service)
        self.callback = self.asked.consent(self.asked.start(self.user, "facebook"))
        self.browser = Agent(service, pages=True)
        held = self.browser.consent(access_url(self.user, "git"))
        self.page = self.browser.call("GET", self._at(service, held))
        assert self.user.call("POST", "/api/connections/spotify/authorize").status_code == 200
        before = set(sandbox.control.issued())
        self._connect("gmail")
        self._ended = set(sandbox.control.issued()) - before
        fault("google", "revoke", "status", times=1, status=503)
        ended = self.user.call("DELETE", "/api/connections/gmail").json()
        assert ended["revocation"] == "queued"

    def read(self, server: Service) -> None:
        """Read what can be read again and again, from this server."""
        read = self._call(server, "GET", f"/api/users/:username/get/connection/{self.id}")
        assert read["data"] == SSH
        body = {"name": "n", "token_type": "telegrams"}
        assert self._call(server, "POST", "/api/users/:username/connection/gettoken", json=body) == {
            "token": "a token"
        }
        token = self._call(server, "GET", "/api/connections/discord/token")["access_token"]
        assert self.sandbox.control.token_state("discord", token) == "live"

    def use_up(self, server: Service) -> None:
        """Bring what is under way to its end on this server."""
        assert self.asked.call("GET", self._at(server, self.callback)).status_code == 200
        self.page.url = self._at(server, self.page.url)
        assert self.browser.submit(self.page, action="/confirm").status_code == 200
        assert is_connected(self.user, "facebook") and is_connected(self.user, "github")
        with server.app.app_context():
            mine = update(Revocation).where(Revocation.user_id == self.user.id)
            db.session.execute(mine.values(retry_at=ago(seconds=1)))
            db.session.commit()
            assert ending.retry_next() and not ending.retry_next()
        states = {self.sandbox.control.token_state("google", token) for token in self._ended}
        assert "revoked" in states and "live" not in states

    def _connect(self, name: str) -> str:
        """Connect an account that nobody else has; return its key."""
        agent = Agent(self.service)
        url = agent.start(self.user, name)
        account = new_account(url)
        callback = agent.consent(url, account=account)
        assert agent.call("GET", self._at(self.service, callback)).status_code == 200
        return account

    def _at(self, server: Service, url: str) -> str:
        """Return where this server itself is reached, instead of the public URL that several share."""
        return urlsplit(url)._replace(netloc=urlsplit(server.url).netloc).geturl()

    def _add(self, type: str, data: dict[str, str]) -> int:
        body = {"name": "n", "type": type, "data": data}
        answer = self.user.call("POST", "/api/users/:username/add/connection", json=body)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    def _call(self, server: Service, method: str, path: str, **kwargs: object) -> dict[str, object]:
        path = path.replace(":username", self.user.username)
        answer = server.call(method, path, headers=self.user.headers, **kwargs)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())
