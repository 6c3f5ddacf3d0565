"""What a view says that its decorators do not: one line of what it does, and the words of its services.

Which failures an operation can answer with is decided here, in `marks`, and for all of them in `EVERYWHERE`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app import errors
from app.errors import LatchkeyError
from app.oauth.provider import Binding
from app.providers import provider_of

from .routes import Route

Words = tuple[type[LatchkeyError], ...]


@dataclass(frozen=True, slots=True)
class Told:
    summary: str
    words: Words = ()
    description: str = ""


EVERYWHERE: Words = (errors.UnknownHost, errors.InternalError)
BEHIND_THE_GATE: Words = (errors.NotReady, errors.StorageUnavailable, errors.TooManyRequests)
OPERATORS: Words = (errors.UserNotFound, errors.ServiceKeyNotFound, errors.ServiceKeyTaken)

_OFFERED: Words = (errors.ServiceNotFound, errors.ServiceNotConfigured)
_CONNECTED: Words = (errors.ServiceNotFound, errors.ServiceNotConnected)
_LIVE: Words = (
    errors.SecretUnreadable,
    errors.ReconnectRequired,
    errors.TokenUnavailable,
    errors.ProviderBusy,
)
_BEGUN: Words = (*_OFFERED, errors.ReturnToNotAllowed, errors.SessionsUnavailable)
_BROUGHT_BACK: Words = (
    errors.InvalidSession,
    errors.MissingCodeOrState,
    errors.OAuthError,
    errors.ServiceNotFound,
    errors.OAuthFailed,
    errors.TokenExchangeFailed,
    errors.AccountMismatch,
    errors.ProviderBusy,
    errors.SessionsUnavailable,
)
_PROVEN: Words = (errors.WrongPassword, errors.TooManyAttempts)
_ACCESS = Told(
    "Get the URL that connects a service",
    (errors.UnknownService, *_OFFERED),
    "The flow is bound to no browser. The second key is the word as it was sent.",
)
_RENAMED = Told("Rename a token", (errors.LegacyTokenNotFound,))

TABLE: Mapping[str, Told] = {
    "accounts.register": Told("Register, and sign in", (errors.UsernameTaken, errors.EmailTaken)),
    "accounts.login": Told(
        "Sign in",
        (errors.InvalidCredentials, errors.TooManyAttempts),
        "By `username` or by `email`, never by both.",
    ),
    "accounts.refresh": Told(
        "Renew both tokens", description="The old refresh token is spent; used again, it ends the login."
    ),
    "accounts.logout": Told("Sign out", description="Both tokens of this login end."),
    "accounts.me": Told("Read who is signed in"),
    "accounts.change_password": Told(
        "Change the password", _PROVEN, "Every other login of the user has ended then."
    ),
    "accounts.leave": Told(
        "Delete the account", _PROVEN, "With all that belongs to it; grants are ended at their providers."
    ),
    "legacy_tokens.add": Told("Store a token", (errors.InvalidData, errors.TooManyConnections)),
    "legacy_tokens.get": Told(
        "Read a token by its name",
        (errors.LegacyTokenNotFound, *_LIVE),
        "Of several the newest. Where none is stored, and the name is empty or the service's own, it is the "
        "live token of the connected service.",
    ),
    "legacy_tokens.every": Told("List all tokens, in full"),
    "legacy_tokens.rename": Told("Rename a token, by its id alone", _RENAMED.words),
    "legacy_tokens.rename_own": _RENAMED,
    "legacy_tokens.check": Told("Ask whether there is a token", (errors.LegacyTokenNotFound,)),
    "legacy_tokens.replace_or_delete": Told(
        "Replace a token; without one, delete it",
        (errors.LegacyTokenNotFound, errors.InvalidData, errors.SecretUnreadable),
        "A body of an `id` and nothing else deletes, as the older document prints it.",
    ),
    "legacy_tokens.delete": Told("Delete a token", (errors.LegacyTokenNotFound,)),
    "connections.add": Told(
        "Store a connection",
        (errors.UnknownConnectionType, errors.InvalidData, errors.TooManyConnections),
        "A field that the type does not declare is kept, as a secret; `null` is as left out.",
    ),
    "connections.read": Told(
        "Read a connection, in full", (errors.ConnectionNotFound, errors.SecretUnreadable)
    ),
    "connections.every": Told("List all connections, secrets masked"),
    "connections.rename": Told("Rename a connection", (errors.ConnectionNotFound,)),
    "connections.replace": Told(
        "Replace the data of a connection",
        (errors.ConnectionNotFound, errors.InvalidData, errors.SecretUnreadable),
        "Whole: a field that is left out or `null` is removed. A secret sent as three or more dashes keeps "
        "what is stored. The data must fit the type of the connection.",
    ),
    "connections.check": Told("Ask whether there is a connection", (errors.ConnectionNotFound,)),
    "connections.delete": Told("Delete a connection", (errors.ConnectionNotFound,)),
    "access_urls.by_token_type": _ACCESS,
    "access_urls.by_service": _ACCESS,
    "access_urls.by_service_as_token": _ACCESS,
    "services.every": Told("List the services, and which are connected"),
    "services.revocations_of": Told("List what is still to be ended at a provider"),
    "services.reset": Told("Disconnect every service"),
    "audit.page": Told("Read what was done with what is yours", description="The latest first."),
    "start": Told(
        "Connect {service}", _BEGUN, "Sends the browser to {provider}, which is asked for: {scopes}."
    ),
    "authorize": Told(
        "Get two URLs that connect {service}",
        _BEGUN,
        "`authorize_url` is for the browser that called; `connect_url` for any other, once.",
    ),
    "callback": Told(
        "Come back from {provider}", _BROUGHT_BACK, "Called by the browser, never by a program."
    ),
    "disconnect": Told("Disconnect {service}", _CONNECTED, "It is ended at {provider}, too."),
    "token": Told(
        "Get a token of {service} that works now",
        (*_CONNECTED, *_LIVE),
        "Renewed first, where it does not live for `min_ttl` seconds or for half of its life.",
    ),
    "status": Told("Read how the connection to {service} is", _CONNECTED, "As known; nobody is asked."),
    "test": Told(
        "Ask {provider} whether the connection works",
        (*_CONNECTED, errors.ServiceNotConfigured, errors.SecretUnreadable, errors.ProviderBusy),
    ),
    "callback.callback": Told(
        "Come back from any provider, by the state",
        _BROUGHT_BACK,
        "For redirect URIs that were registered as `/callback`.",
    ),
    "health.alive": Told("Ask whether the process lives"),
    "health.ready": Told(
        "Ask whether the service can serve",
        description="503 names the part that stops everything, `degraded` the one that stops some things.",
    ),
    "metrics.metrics": Told("Read the numbers, for Prometheus"),
    "openapi.document": Told("Read this document"),
    "openapi.reference": Told("Read this document as a page"),
}


def told_of(route: Route) -> Told:
    """Return the line of an operation; a provider's are written once, with its names put in."""
    told = TABLE[route.verb]
    if route.service is None:
        return told
    provider = provider_of(route.service)
    facts = {
        "service": route.service.display_name,
        "provider": provider.called,
        "scopes": ", ".join(provider.scopes),
    }
    return Told(told.summary.format(**facts), told.words, told.description.format(**facts))


def words_of(route: Route) -> set[type[LatchkeyError]]:
    """Return every failure that an operation can answer with."""
    words = {*EVERYWHERE, *route.marks.words, *TABLE[route.verb].words}
    if route.concern == "health":
        return words - {errors.UnknownHost}
    if route.is_callback and _may_be_found_by_state(route):
        words.add(errors.InvalidOAuthState)
    behind = BEHIND_THE_GATE if route.concern != "metrics" else (errors.TooManyRequests,)
    return words.union(behind)


def _may_be_found_by_state(route: Route) -> bool:
    return route.service is not None and provider_of(route.service).binding is Binding.COOKIE
