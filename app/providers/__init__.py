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

_PROVIDERS = {provider.name: provider for provider in PROVIDERS}
_SERVICES = {service.name: service for service in SERVICES}
_OF_SERVICES = {service.name: provider for provider in PROVIDERS for service in provider.services}

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
    return _PROVIDERS[name]


def provider_of(service: ServiceDeclaration) -> Provider:
    return _OF_SERVICES[service.name]


def service_named(name: str) -> ServiceDeclaration:
    return _SERVICES[name]


__all__ = ["ACCESS_WORDS", "PROVIDERS", "SERVICES", "provider_named", "provider_of", "service_named"]
