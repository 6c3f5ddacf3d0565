"""How a connection is, in one word and one sentence, and what its user can do about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from sqlalchemy import ColumnElement, case, not_

from app.extensions import settings
from app.models import Grant
from app.oauth.answers import Kind, missing_scopes
from app.oauth.provider import ServiceDeclaration
from app.providers import provider_named

WARN_DAYS = (30, 7, 1)  # before the end of a grant


class Word(Enum):
    OK = "ok"
    EXPIRING = "expiring"
    DEGRADED = "degraded"
    RECONNECT_REQUIRED = "reconnect_required"
    MISSING_SCOPES = "missing_scopes"


@dataclass(frozen=True, slots=True)
class Health:
    """`remedy` and `reconnect_path` are None where the user need not do anything."""

    word: Word
    reason: str
    remedy: str | None = None
    reconnect_path: str | None = None


_FAILURES = {
    Kind.OUTAGE.value: "{title} did not answer when the token was to be renewed",
    Kind.OPERATOR.value: "{title} does not answer this service as it is set up; its operator must mend that",
    Kind.MALFORMED.value: "{title} answered with something that is no token",
}


def start_path(service: ServiceDeclaration) -> str:
    """Return where a flow for this service starts, as a path of PUBLIC_URL."""
    return f"{settings.mounted_at}/api/connections/{service.name}"


def of(grant: Grant, service: ServiceDeclaration, at: datetime) -> Health:
    """Judge a connection: the most pressing finding wins."""
    title, path = service.display_name, start_path(service)
    again = f"Connect {title} again"
    if grant.ended_at is not None:
        return Health(Word.RECONNECT_REQUIRED, f"The connection to {title} has ended", again, path)
    if grant.failure is not None:
        reason = _FAILURES[grant.failure].format(title=title)
        return Health(Word.DEGRADED, f"{reason}; it is tried again by itself")
    if not grant.renewable and grant.is_over(at):
        return Health(Word.RECONNECT_REQUIRED, f"The token of {title} has expired", again, path)
    if grant.ends_at is not None and grant.ends_at - at <= timedelta(days=WARN_DAYS[0]):
        return Health(Word.EXPIRING, f"{title} ends this connection on {_day(grant.ends_at)}", again, path)
    if missing := missing_of(grant):
        reason = f"{title} is connected without {len(missing)} of the permissions that were asked for"
        return Health(Word.MISSING_SCOPES, reason, f"{again}, and allow them", f"{path}?scopes=missing")
    return Health(Word.OK, f"{title} is connected" + (" and renews itself" if grant.renewable else ""))


def word_in_sql(at: datetime) -> ColumnElement[str]:
    """Return the word of `of` for each grant of a query. OK may be MISSING_SCOPES: scopes are not judged."""
    return case(
        (Grant.ended_at.is_not(None), Word.RECONNECT_REQUIRED.value),
        (Grant.failure.is_not(None), Word.DEGRADED.value),
        (not_(Grant.renewable) & (Grant.expires_at <= at), Word.RECONNECT_REQUIRED.value),
        (Grant.ends_at <= at + timedelta(days=WARN_DAYS[0]), Word.EXPIRING.value),
        else_=Word.OK.value,
    )


def missing_of(grant: Grant) -> tuple[str, ...]:
    """Return the scopes that were asked for and not granted."""
    return missing_scopes(provider_named(grant.provider), grant.scopes_asked, grant.scopes_granted)


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"
