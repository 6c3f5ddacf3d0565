"""Providers: whether each takes our credentials. It is asked to exchange a code that it never gave."""

from __future__ import annotations

from collections.abc import Iterator

from app.extensions import registrations
from app.oauth.answers import Failure, ProviderFailure
from app.oauth.client import Client
from app.oauth.exchange import prove_client
from app.oauth.outbound import Deadline
from app.oauth.registration import Registration

from .finding import Finding, ok, problem, warning


def examine() -> Iterator[Finding]:
    for name, registration in registrations.items():
        if registration is None:
            yield ok(name, "It is not set up, and not offered.")
        else:
            yield _ask(name, registration)


def _ask(name: str, registration: Registration) -> Finding:
    title, prefix = registration.provider.title, name.upper()
    try:
        prove_client(Client(registration, Deadline()))
    except ProviderFailure as failure:
        if failure.kind is Failure.CLIENT_REFUSED:
            remedy = (
                f"Check {prefix}_CLIENT_ID and {prefix}_CLIENT_SECRET, and that {registration.redirect_uri} "
                f"is registered with {title}."
            )
            return problem(name, f"{title} is refusing our credentials or our redirect URI.", remedy)
        what = f"{title} could not be asked: {failure.kind.value}."
        return warning(name, what, f"Check the network, and {prefix}_TOKEN_URL if it is set.")
    return ok(name, f"Our credentials are good at {title}.")
