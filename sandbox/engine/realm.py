"""One provider's whole state: its switches, its clock and everything it remembers."""

import time
from collections.abc import Iterable

from sandbox.engine.records import Account, AuthorizationRequest, Client, Code, Grant, Token
from sandbox.engine.switches import Value


class Realm:
    """Only touched while the world's lock is held."""

    def __init__(self, provider: str, switches: dict[str, Value], accounts: Iterable[Account]) -> None:
        self.provider = provider
        self.switches = switches
        self.shift = 0.0
        self.clients: dict[str, Client] = {}
        self.accounts = {account.key: account for account in accounts}
        self.grants: dict[tuple[str, str], Grant] = {}
        self.requests: dict[str, AuthorizationRequest] = {}
        self.codes: dict[str, Code] = {}
        self.tokens: dict[str, Token] = {}
        self.issued: list[str] = []

    def now(self) -> float:
        return time.time() + self.shift

    def is_on(self, switch: str) -> bool:
        return self.switches[switch] is True

    def number(self, switch: str) -> float:
        value = self.switches[switch]
        assert isinstance(value, int | float), f"{switch} is not a number"
        return value

    def text(self, switch: str) -> str:
        return str(self.switches[switch])

    def grant(self, client_id: str, account: str) -> Grant:
        """The user's grant to this client, made now if there was none."""
        return self.grants.setdefault((client_id, account), Grant(client_id, account, self.now()))

    def end_grant(self, client_id: str, account: str) -> None:
        """The user's permission ends, and every code and token of it with it."""
        self.grants.pop((client_id, account), None)
        for code in self.codes.values():
            if (code.request.client_id, code.account) == (client_id, account):
                code.used = True
        for token in self.tokens_of(client_id, account):
            token.end("revoked", self.now())

    def tokens_of(self, client_id: str, account: str) -> list[Token]:
        return [t for t in self.tokens.values() if (t.client_id, t.account) == (client_id, account)]

    def family(self, token: Token) -> list[Token]:
        return [t for t in self.tokens.values() if t.family == token.family]
