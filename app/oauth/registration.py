"""A client registration with one provider (RFC 6749, section 2): vendor's facts and settings in one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from config import ProviderSettings

from .provider import Provider


@dataclass(frozen=True, slots=True)
class Registration:
    provider: Provider
    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    authorize_url: str
    token_url: str
    userinfo_url: str
    revoke_url: str | None
    scopes: tuple[str, ...]
    issuer: str | None


def register(provider: Provider, settings: ProviderSettings, base_url: str) -> Registration | None:
    """Return the registration that these settings make, or None without client credentials."""
    if not settings.client_id or not settings.client_secret:
        return None
    revoke_url = settings.revoke_url or provider.revoke_url
    return Registration(
        provider=provider,
        client_id=settings.client_id,
        client_secret=settings.client_secret,
        redirect_uri=settings.redirect_uri or _redirect_uri(provider, base_url),
        authorize_url=settings.authorize_url or provider.authorize_url,
        token_url=settings.token_url or provider.token_url,
        userinfo_url=settings.userinfo_url or provider.userinfo_url,
        revoke_url=revoke_url and revoke_url.replace("{client_id}", settings.client_id),
        scopes=settings.scopes or provider.scopes,
        # Another host than the vendor's has another issuer, and only its operator knows it.
        issuer=settings.issuer or (None if settings.authorize_url else provider.issuer),
    )


def _redirect_uri(provider: Provider, base_url: str) -> str:
    if provider.refuses_localhost and urlsplit(base_url).hostname == "localhost":
        base_url = re.sub("//localhost", "//127.0.0.1", base_url)
    return f"{base_url}/api/connections/{provider.service.name}/callback"
