"""Families whose secret is one token: what legacy clients call a token_type."""

from .declaration import ConnectionType, Field

_TOKEN = (Field("token", required=True, secret=True),)


def token_type(name: str, *words: str, label: str | None = None) -> ConnectionType:
    return ConnectionType(name, _TOKEN, words=words, label=label or f"Token: {name}")


GITHUB = token_type("github", "git", "githubs", label="GitHub token")
SPOTIFY = token_type("spotify", "spotifies", label="Spotify token")
GOOGLE = token_type("google", "gmail", "gmails", label="Google token")
FACEBOOK = token_type("facebook", "facebooks", label="Facebook token")
