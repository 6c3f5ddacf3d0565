"""The providers, as one literal list, and how a service or a word finds its own."""

from app.oauth.provider import Provider, ServiceDeclaration

from .discord import DISCORD
from .facebook import FACEBOOK
from .github import GITHUB
from .google import GOOGLE
from .spotify import SPOTIFY

PROVIDERS = (GOOGLE, FACEBOOK, GITHUB, SPOTIFY, DISCORD)

SERVICES: tuple[ServiceDeclaration, ...] = tuple(
    service for provider in PROVIDERS for service in provider.services
)

# The words by which access URLs are asked for: clients of the older documents say `git` for GitHub.
ACCESS_WORDS = {
    "spotify": SPOTIFY,
    "google": GOOGLE,
    "gmail": GOOGLE,
    "git": GITHUB,
    "github": GITHUB,
    "discord": DISCORD,
    "facebook": FACEBOOK,
}


def provider_named(name: str) -> Provider:
    return next(provider for provider in PROVIDERS if provider.name == name)


def provider_of(service: ServiceDeclaration) -> Provider:
    return next(provider for provider in PROVIDERS if service in provider.services)


def service_named(name: str) -> ServiceDeclaration:
    return next(service for service in SERVICES if service.name == name)


__all__ = ["ACCESS_WORDS", "PROVIDERS", "SERVICES", "provider_named", "provider_of", "service_named"]
