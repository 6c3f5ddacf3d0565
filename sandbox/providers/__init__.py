"""The providers that there are."""

from sandbox.engine.provider import Provider
from sandbox.providers.discord import DISCORD
from sandbox.providers.facebook import FACEBOOK
from sandbox.providers.github import GITHUB
from sandbox.providers.google import GOOGLE
from sandbox.providers.spotify import SPOTIFY

PROVIDERS: tuple[Provider, ...] = (GOOGLE, FACEBOOK, GITHUB, SPOTIFY, DISCORD)
