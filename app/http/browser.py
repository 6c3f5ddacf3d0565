"""The browser: whether one asks, which one it is, and which flows are its own."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from flask import Response, after_this_request, current_app, request, session

from app.extensions import settings
from app.oauth.flow import fingerprint, new_secret
from app.oauth.provider import Binding, Provider
from app.services.pending import LIFE

_NAME = re.compile(r"[A-Za-z0-9_-]{43}")


def is_asking() -> bool:
    """Tell a browser from a program: it prefers HTML, or says from where it fetches."""
    prefers_html = request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"
    return prefers_html or any(name.startswith("HTTP_SEC_FETCH_") for name in request.environ)


def of_session() -> str:
    """Return the name of this browser, kept in its server-side session; made on first use."""
    session.setdefault("browser", new_secret())
    session.modified = True  # the session lives as long as the flow that begins now
    return str(session["browser"])


def for_flow(provider: Provider) -> str:
    """Return the name of this browser that a flow of this provider is bound to; `remember` it once it is."""
    known = session.get("browser") if provider.binding is Binding.SESSION else _cookie()
    return known or new_secret()


def remember(provider: Provider, browser: str) -> None:
    """Give the browser, with the answer under way, what its callback is known by: a session or a cookie."""
    if provider.binding is Binding.SESSION:
        session["browser"] = browser  # changed or not: it lives as long as the flow that begins now
        return

    @after_this_request
    def set_cookie(response: Response) -> Response:
        life = int(LIFE.total_seconds())
        response.set_cookie(
            _cookie_name(), browser, max_age=life, secure=settings.over_tls, httponly=True, samesite="Lax"
        )
        return response


def names(provider: Provider | None) -> list[str]:
    """Return the names under which this browser may have begun a flow of this provider, or of any."""
    found = []
    if provider is None or provider.binding is Binding.COOKIE:
        found.append(_cookie())
    if (provider is None or provider.binding is Binding.SESSION) and has_session():
        found.append(session.get("browser"))
    return [name for name in found if name]


def proof(browser: str, ticket: str) -> str:
    """Return what a form of ours carries, and a form of another site cannot know."""
    return fingerprint(f"form {browser} {ticket}")


def here() -> str:
    """Return the origin that this browser asks at: PUBLIC_URL, under whichever of our names it uses."""
    public, asked = urlsplit(settings.public_url), urlsplit(f"//{request.host}")
    if asked.hostname == public.hostname or asked.hostname not in settings.trusted_hosts:
        return settings.public_url
    port = "" if public.port is None else f":{public.port}"
    return f"{public.scheme}://{asked.hostname}{port}"


def came_from_here() -> bool:
    """Tell whether a page of ours has led here, as the browser says; no page of another site can."""
    return request.headers.get("Sec-Fetch-Site") == "same-origin"


def must_hop(redirect_uri: str) -> str | None:
    """Return the address where this browser has to begin, if that is not the host it asks at.

    A cookie set here would not come back at a redirect URI of another host, as localhost and 127.0.0.1 are.
    """
    if not is_asking():
        return None
    home = home_of(redirect_uri)
    return None if urlsplit(home).netloc == request.host else home


def home_of(redirect_uri: str) -> str:
    """Return the address below which a browser begins a flow that comes back to this redirect URI.

    Its origin is the redirect URI's own, unless that is a host of others, who pass the callback on to us.
    """
    parts = urlsplit(redirect_uri)
    if parts.hostname not in settings.trusted_hosts:
        return settings.base_url
    return f"{parts.scheme}://{parts.netloc}{settings.mounted_at}"


def has_session() -> bool:
    """Tell whether this browser may have a session: one that has none is not looked for."""
    return current_app.config["SESSION_COOKIE_NAME"] in request.cookies


def _cookie() -> str | None:
    value = request.cookies.get(_cookie_name(), "")
    return value if _NAME.fullmatch(value) else None


def _cookie_name() -> str:
    return "__Host-latchkey-flow" if settings.over_tls else "latchkey-flow"
