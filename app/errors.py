"""The words for failure: a class, a stable code, a sentence that is safe to show.

Braces in a sentence are filled by the keyword arguments of the raise. A code never changes once released.
The HTTP status of each word stands in http/errors.py; docs/errors.md prints the whole table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar


class LatchkeyError(Exception):
    """Something a caller is told. `str()` is the sentence; it never holds a secret."""

    code: ClassVar[str]
    sentence: ClassVar[str]

    def __init__(
        self,
        *,
        details: Mapping[str, Sequence[str]] | None = None,
        retry_after: int | None = None,
        **facts: str,
    ) -> None:
        super().__init__(self.sentence.format(**facts))
        self.details = details
        self.retry_after = retry_after


# Who is calling


class TokenMissing(LatchkeyError):
    code, sentence = "token_missing", "Authorization token is missing"


class TokenInvalid(LatchkeyError):
    code, sentence = "token_invalid", "Invalid or expired token"


class AuthenticationRequired(LatchkeyError):
    code, sentence = "authentication_required", "Authentication required"


class StartTokenInvalid(LatchkeyError):
    code, sentence = "start_token_invalid", "Invalid token"


class TokenPayloadInvalid(LatchkeyError):
    code, sentence = "token_payload_invalid", "Invalid token payload"


class Forbidden(LatchkeyError):
    code, sentence = "forbidden", "Forbidden"


class CrossSiteStart(LatchkeyError):
    code, sentence = "cross_site_start", "A token in the URL is not accepted from another site"


class FormExpired(LatchkeyError):
    """A form was sent that this browser was not shown, or was shown to somebody else who was signed in."""

    code, sentence = "form_expired", "This form is out of date; open its page again"


class OnBehalfOfMissing(LatchkeyError):
    code = "on_behalf_of_missing"
    sentence = "A service key needs X-On-Behalf-Of, the name of the user that it acts for"


class OnBehalfOfRefused(LatchkeyError):
    code, sentence = "on_behalf_of_refused", "X-On-Behalf-Of is for service keys alone"


class InsufficientScope(LatchkeyError):
    """The word of RFC 6750, section 3.1."""

    code, sentence = "insufficient_scope", "This needs a service key with the scope {scope}"


class ServiceKeyNotFound(LatchkeyError):
    """An operator's word."""

    code, sentence = "service_key_not_found", "No service key has this name"


class ServiceKeyTaken(LatchkeyError):
    """An operator's word."""

    code, sentence = "service_key_taken", "A service key of this name was made before"


# Accounts


class InvalidCredentials(LatchkeyError):
    code, sentence = "invalid_credentials", "Invalid username or password"


class WrongPassword(LatchkeyError):
    code, sentence = "wrong_password", "Wrong password"


class UsernameTaken(LatchkeyError):
    code, sentence = "username_taken", "This username is taken"


class EmailTaken(LatchkeyError):
    code, sentence = "email_taken", "This email address is taken"


class TooManyAttempts(LatchkeyError):
    code, sentence = "too_many_attempts", "Too many failed attempts; wait before the next one"


class UserNotFound(LatchkeyError):
    """An operator's word: the API never tells whether a user exists."""

    code, sentence = "user_not_found", "No user has this name"


# The request itself


class InvalidRequest(LatchkeyError):
    code, sentence = "invalid_request", "The request cannot be understood"


class InvalidJson(LatchkeyError):
    code, sentence = "invalid_json", "The body is not valid JSON"


class InvalidBody(LatchkeyError):
    code, sentence = "invalid_body", "The body does not have the documented fields"


class InvalidQuery(LatchkeyError):
    code, sentence = "invalid_query", "The query does not have the documented fields"


class UnknownHost(LatchkeyError):
    code, sentence = "unknown_host", "This host name is not served here"


class NotFound(LatchkeyError):
    code, sentence = "not_found", "There is nothing at this address"


class MethodNotAllowed(LatchkeyError):
    code, sentence = "method_not_allowed", "This address does not take this method"


class BodyTooLarge(LatchkeyError):
    code, sentence = "body_too_large", "The body is too large"


class NotJson(LatchkeyError):
    code, sentence = "not_json", "The body must be sent as application/json"


class TooManyRequests(LatchkeyError):
    code, sentence = "too_many_requests", "Too many requests; wait before the next one"


# Stored secrets


class LegacyTokenNotFound(LatchkeyError):
    code, sentence = "token_not_found", "Token not found"


class ConnectionNotFound(LatchkeyError):
    code, sentence = "connection_not_found", "Connection not found"


class UnknownConnectionType(LatchkeyError):
    code, sentence = "unknown_type", "Unknown connection type; the known ones are: {known}"


class InvalidData(LatchkeyError):
    code, sentence = "invalid_data", "The data does not fit the connection type"


class TooManyConnections(LatchkeyError):
    code, sentence = "too_many_connections", "No more connections can be stored for this user"


class SecretUnreadable(LatchkeyError):
    code, sentence = "secret_unreadable", "The stored secret cannot be opened; replace or delete it"


# OAuth connections


class InvalidSession(LatchkeyError):
    code, sentence = "invalid_session", "Invalid session"


class MissingCodeOrState(LatchkeyError):
    code, sentence = "missing_code_or_state", "Missing authorization code or state"


class InvalidOAuthState(LatchkeyError):
    code, sentence = "invalid_oauth_state", "Invalid or expired OAuth state"


class OAuthError(LatchkeyError):
    """The provider sent its own error to the callback: the user declined, or the app is misconfigured."""

    code, sentence = "oauth_error", "OAuth error: {error}"


class ServiceNotFound(LatchkeyError):
    code, sentence = "service_not_found", "{service} service not found"


class ServiceNotConnected(LatchkeyError):
    code, sentence = "service_not_connected", "{service} not connected"


class ServiceNotConfigured(LatchkeyError):
    code, sentence = "service_not_configured", "{service} is not configured"


class UnknownService(LatchkeyError):
    code, sentence = "unknown_service", "Unknown service; the known ones are: {known}"


class OAuthFailed(LatchkeyError):
    code, sentence = "oauth_failed", "OAuth failed: {reason}"


class TokenExchangeFailed(LatchkeyError):
    code, sentence = "token_exchange_failed", "Token exchange failed: {reason}"


class AccountMismatch(LatchkeyError):
    code = "account_mismatch"
    sentence = "{service} is connected with another account; disconnect it, or start with replace=true"


class ReconnectRequired(LatchkeyError):
    """The provider has ended the grant, or nothing can renew it: only its user can mend that."""

    code, sentence = "reconnect_required", "{service} must be connected again: start at {path}"


class TokenUnavailable(LatchkeyError):
    """The stored token has expired and cannot be renewed at this moment. Nothing is lost."""

    code, sentence = "token_unavailable", "The token has expired and cannot be renewed now: {reason}"


class ProviderBusy(LatchkeyError):
    """Enough callers wait for this provider already; the others are not kept waiting behind them."""

    code, sentence = "provider_busy", "{service} answers slowly, and enough wait for it; try again shortly"


class ReturnToNotAllowed(LatchkeyError):
    code, sentence = "return_to_not_allowed", "return_to is not an address that may be returned to"


class TicketExpired(LatchkeyError):
    code, sentence = "ticket_expired", "This link has expired or was already used"


# Ourselves


class InternalError(LatchkeyError):
    code, sentence = "internal_error", "Something went wrong here"


class StorageUnavailable(LatchkeyError):
    code, sentence = "storage_unavailable", "The database does not answer; try again shortly"


class SessionsUnavailable(LatchkeyError):
    code, sentence = "sessions_unavailable", "The session store does not answer; try again shortly"


class IssuerKeysUnavailable(LatchkeyError):
    """The keys of whoever issues the tokens are published, and could not be fetched for a day, or ever."""

    code, sentence = "issuer_keys_unavailable", "The keys that tokens are verified with cannot be fetched"


class NotReady(LatchkeyError):
    """The database answers, but its schema or its keys are not those of this service."""

    code, sentence = "not_ready", "The service is not ready"
