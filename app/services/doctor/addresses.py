"""Addresses: whether browsers reach this service where it says, and whose address it sees."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from sqlalchemy import select

from app.extensions import db, reading, registrations, settings
from app.models import AuditEvent
from app.oauth.answers import ProviderFailure
from app.oauth.http1 import Answer
from app.oauth.outbound import Deadline, ask
from app.services.health import start_path

from .finding import Finding, ok, problem, warning

FORGED = "192.0.2.1"  # of a block that nobody has (RFC 5737)


def examine() -> Iterator[Finding]:
    yield from _redirect_uris()
    yield _cookies()
    if not settings.strict_connect:
        yield warning(
            "strict",
            "A token in a URL and unbound callbacks are accepted.",
            "Set STRICT_CONNECT=true if you can.",
        )
    yield from _public_url()


def _redirect_uris() -> Iterator[Finding]:
    public = urlsplit(settings.public_url)
    for name, registration in registrations.items():
        if registration is None:
            continue
        uri = urlsplit(registration.redirect_uri)
        setting = f"{name.upper()}_REDIRECT_URI"
        callback = f"{start_path(registration.provider.service)}/callback"
        if uri.hostname not in settings.trusted_hosts:
            what = f"The redirect URI of {name} is at {uri.hostname}, which is not answered to here."
            yield warning(
                name, what, f"Add {uri.hostname} to TRUSTED_HOSTS, or let that host pass callbacks on."
            )
        elif (uri.scheme, _port(uri)) != (public.scheme, _port(public)):
            what = f"The redirect URI of {name} is at {uri.scheme}://{uri.netloc}, and PUBLIC_URL is not."
            yield problem(name, what, f"Let {setting} begin as PUBLIC_URL does, here and at the provider.")
        elif uri.path not in (f"{settings.mounted_at}/callback", callback):
            what = f"The redirect URI of {name} is {uri.path}, where nobody takes a callback."
            yield problem(name, what, f"Let {setting} end in {callback}, here and at the provider.")


def _port(uri: SplitResult) -> int:
    return uri.port or {"http": 80, "https": 443}[uri.scheme]


def _cookies() -> Finding:
    if settings.over_tls:
        return ok("cookies", "They are __Host-, Secure, HttpOnly and SameSite=Lax.")
    what = "PUBLIC_URL is plain http: cookies are neither Secure nor __Host-."
    return warning("cookies", what, "Set PUBLIC_URL to https for anything but a trial on this machine.")


def _public_url() -> Iterator[Finding]:
    """Ask this service as a browser would, with a forged address, and look what the audit says of it."""
    body = {"username": "doctor", "password": secrets.token_urlsafe()}
    try:
        answer = _ask(f"{settings.base_url}/api/auth/login", body)
    except ProviderFailure as failure:
        what = f"PUBLIC_URL could not be asked from this machine ({failure.kind.name.lower()})."
        yield warning("public url", what, "Check it from a browser; behind some networks this is no fault.")
        return
    request_id = answer.headers.get("x-request-id", "")
    if not request_id:
        yield problem(
            "public url", "Something else answers at PUBLIC_URL.", "Check PUBLIC_URL and the proxy."
        )
        return
    if settings.over_tls and "strict-transport-security" not in answer.headers:
        what = "The service that answers at PUBLIC_URL does not know that it is reached over TLS."
        yield problem("public url", what, "Start the servers with the same PUBLIC_URL as this command.")
        return
    yield ok("public url", "This service answers there.")
    yield from _seen_address(request_id)


def _ask(url: str, body: dict[str, str]) -> Answer:
    headers = {"X-Forwarded-For": FORGED, "Content-Type": "application/json"}
    return ask("POST", url, Deadline(), headers=headers, body=json.dumps(body).encode())


def _seen_address(request_id: str) -> Iterator[Finding]:
    reading()
    seen = db.session.scalar(select(AuditEvent.address).where(AuditEvent.request_id == request_id).limit(1))
    if seen is None:  # there are no accounts here, or another database stands behind
        return
    if seen == FORGED:
        what = "Whoever asks can forge the address that limits and the audit see."
        yield problem("proxies", what, "Lower TRUSTED_PROXIES, or let the proxy overwrite X-Forwarded-For.")
    elif settings.over_tls and settings.trusted_proxies == 0 and ip_address(seen).is_private:
        what = f"Limits and the audit see the proxy's address, {seen}, for everybody."
        yield problem("proxies", what, "Set TRUSTED_PROXIES to the number of proxies in front.")
    else:
        yield ok("proxies", "A forged address is not believed.")
