"""What a person can do about a failure that a page tells of."""

from __future__ import annotations

from collections.abc import Mapping

from app import errors
from app.errors import LatchkeyError

_REMEDIES: Mapping[type[LatchkeyError], str] = {
    errors.TokenInvalid: "You cannot use this service as the user that you are signed in as.",
    errors.NotFound: "Check the address, or begin at the front page.",
    errors.ConnectionNotFound: "It may have been deleted. Your secrets are all in the list.",
    errors.ServiceNotFound: "Its operator does not offer it here at the moment.",
    errors.ServiceNotConnected: "It may have been disconnected meanwhile. See your connections.",
    errors.TicketExpired: "Go back to where you found the link, and start again.",
    errors.FormExpired: "Go back and load the page again: you may have signed in or out since it was shown.",
    errors.UnknownHost: "Use the address that this service was given to you under.",
    errors.BodyTooLarge: "Send less at once.",
    errors.TooManyRequests: "Wait a minute, then go on.",
    errors.SecretUnreadable: "Open it again, then replace or delete it.",
    errors.ServiceNotConfigured: "Its operator has not set it up yet.",
    errors.ReturnToNotAllowed: "Whoever sent you here must mend the link.",
    errors.CrossSiteStart: "Start from your connections here, or from the application itself.",
}
_OF_FAULTS = "Try again in a moment. If it stays like this, tell the operator the number {request_id}."


def remedy_for(word: LatchkeyError, status: int, request_id: str) -> str | None:
    """Return the sentence that goes with a failure on a page, or None where there is nothing to add."""
    if status >= 500 and type(word) not in _REMEDIES:
        return _OF_FAULTS.format(request_id=request_id)
    return _REMEDIES.get(type(word))
