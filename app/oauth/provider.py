"""What may differ between providers: a closed set. A provider is one literal of `Provider`.

No field here can switch a check off. A quirk that is not a member of one of these enums does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto


class ClientAuth(Enum):
    """How the client proves itself at the token endpoint (RFC 6749, section 2.3.1)."""

    BASIC = auto()
    BODY = auto()


class Binding(Enum):
    """How a pending flow is tied to the browser that started it."""

    SESSION = auto()  # the server-side session: no flow is told before the session is looked at
    COOKIE = auto()  # a cookie of its own, so that the flow can be found by its state alone


class Revocation(Enum):
    """How a grant is ended at the provider."""

    NONE = auto()  # there is no endpoint
    TOKEN = auto()  # RFC 7009: POST form, the token alone
    TOKEN_BASIC = auto()  # RFC 7009 with client authentication and token_type_hint
    APPLICATION = auto()  # DELETE /applications/{client_id}/grant, or /token for a single one
    PERMISSIONS = auto()  # DELETE /{account_id}/permissions with the app's own token


class ScopeSource(Enum):
    """Where it is told which scopes were granted."""

    TOKEN_ANSWER = auto()
    PERMISSIONS = auto()  # a list beneath the identity endpoint


@dataclass(frozen=True, slots=True)
class ServiceDeclaration:
    """A service that users connect. `id` is its row in the services table and never changes."""

    id: int
    name: str
    display_name: str
    description: str


@dataclass(frozen=True, slots=True)
class Provider:
    """One vendor. The first service is the one whose start and callback the flow uses."""

    name: str
    services: tuple[ServiceDeclaration, ...]
    authorize_url: str
    token_url: str
    userinfo_url: str
    scopes: tuple[str, ...]
    account_id: tuple[str, ...]  # keys of the identity answer, the best first
    account_label: tuple[str, ...]
    connects: str | None = None  # where one flow connects more than one service
    vendor: str | None = None  # what people call it, if not as its one service
    revoke_url: str | None = None
    issuer: str | None = None  # what a callback's `iss` must be, when it has one (RFC 9207)
    client_auth: ClientAuth = ClientAuth.BODY
    binding: Binding = Binding.SESSION
    revocation: Revocation = Revocation.NONE
    scope_source: ScopeSource = ScopeSource.TOKEN_ANSWER
    scope_separator: str = " "
    scope_aliases: Mapping[str, str] = field(default_factory=dict)  # as answered: as asked for
    implied_scopes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    authorize_params: Mapping[str, str] = field(default_factory=dict)
    difference_params: Mapping[str, str] | None = None  # where new scopes add to those granted before
    userinfo_params: Mapping[str, str] = field(default_factory=dict)
    long_lived_grant: str | None = None  # the grant_type that makes a long-lived token of a short one
    app_secret_proof: str | None = None  # the parameter that carries an HMAC of the token it accompanies
    refuses_localhost: bool = False  # redirect URIs on this machine must say 127.0.0.1
    grant_days: int | None = None  # the grant ends so many days after consent, whatever is refreshed
    renew_days_ahead: int | None = None  # where a token can only be renewed while it lives
    rotation_ends_access: bool = False  # a refresh ends the access token before it, too
    unused_token_days: int | None = None  # a token without an end is revoked after so many days unused
    codes_refused: frozenset[str] = frozenset()  # beside RFC 6749's: this flow is over
    grants_dead: frozenset[str] = frozenset()  # beside RFC 6749's: only the user can mend it
    grants_dead_where: Mapping[str, str] = field(default_factory=dict)  # an error: what its text must name
    client_refused: frozenset[str] = frozenset()  # beside RFC 6749's: the operator must mend it
    already_gone: frozenset[str] = frozenset()  # at revocation: there was nothing left to end

    @property
    def service(self) -> ServiceDeclaration:
        return self.services[0]

    @property
    def has_refresh_tokens(self) -> bool:
        """Tell whether a token is renewed by another one, and not by being exchanged while it lives."""
        return self.long_lived_grant is None

    @property
    def called(self) -> str:
        """What a sentence calls the vendor."""
        return self.vendor or self.service.display_name

    @property
    def title(self) -> str:
        """What one flow connects, as a sentence names it."""
        return self.connects or self.service.display_name
