"""Families whose secret is one token: what legacy clients call a token_type."""

from .declaration import ConnectionType, Field

_TOKEN = (Field("token", required=True, secret=True),)


def token_type(name: str, *words: str) -> ConnectionType:
    return ConnectionType(name, _TOKEN, words=words)


GITHUB = token_type("github", "git", "githubs")
SPOTIFY = token_type("spotify", "spotifies")
GOOGLE = token_type("google", "gmail", "gmails")
FACEBOOK = token_type("facebook", "facebooks")
