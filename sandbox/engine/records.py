"""What a provider remembers: clients, accounts, grants, authorization requests, codes and tokens."""

from dataclasses import dataclass, field
from typing import Any, Literal

TokenKind = Literal["access", "refresh"]
TokenState = Literal["live", "expired", "retired", "revoked", "unknown"]


@dataclass
class Client:
    client_id: str
    client_secret: str
    redirect_uris: list[str]
    name: str = "Latchkey"
    project: str = ""
    wildcard: bool = False


@dataclass
class Account:
    """``profile`` is what the vendor tells about its user, in the vendor's own field names."""

    key: str
    profile: dict[str, Any]
    banned: bool = False


@dataclass
class Grant:
    """One user's permission for one client; every token hangs on one."""

    client_id: str
    account: str
    granted_at: float
    scopes: list[str] = field(default_factory=list)
    declined: list[str] = field(default_factory=list)
    offline: bool = False


@dataclass
class AuthorizationRequest:
    """``redirect_uri`` is where the browser goes; ``sent_redirect_uri`` is what was sent, or empty."""

    id: str
    client_id: str
    redirect_uri: str
    sent_redirect_uri: str
    denial_uri: str
    scopes: list[str]
    challenge: str
    challenge_method: str
    parameters: dict[str, str]
    created_at: float


@dataclass
class Code:
    value: str
    request: AuthorizationRequest
    account: str
    scopes: list[str]
    issued_at: float
    used: bool = False


@dataclass
class Token:
    """``idle_limit`` is in seconds without use; ``family`` binds the generations of a rotated token."""

    value: str
    kind: TokenKind
    client_id: str
    account: str
    scopes: list[str]
    family: str
    issued_at: float
    expires_at: float | None = None
    idle_limit: float | None = None
    used_at: float | None = None
    ended: Literal["", "retired", "revoked"] = ""
    ended_at: float | None = None
    public_client: bool = False

    def state(self, now: float) -> TokenState:
        if self.ended:
            return self.ended
        if self.expires_at is not None and now >= self.expires_at:
            return "expired"
        if self.idle_limit is not None and now >= (self.used_at or self.issued_at) + self.idle_limit:
            return "expired"
        return "live"

    def end(self, how: Literal["retired", "revoked"], now: float) -> None:
        if not self.ended:
            self.ended, self.ended_at = how, now
