"""The connection types, as one literal list, and how a word finds its type."""

from .custom import CUSTOM
from .declaration import ConnectionType
from .discords import DISCORDS
from .http import HTTP
from .postgres import POSTGRES
from .smtp import SMTP
from .sshes import SSHES
from .telegrams import TELEGRAMS
from .token import FACEBOOK, GITHUB, GOOGLE, SPOTIFY, token_type

CONNECTION_TYPES = (
    SSHES,
    GITHUB,
    SPOTIFY,
    GOOGLE,
    FACEBOOK,
    TELEGRAMS,
    DISCORDS,
    HTTP,
    SMTP,
    POSTGRES,
    CUSTOM,
)

LONE_TOKEN = token_type("token")  # what a legacy token fits, whatever its type is called

_BY_WORD = {word: known for known in CONNECTION_TYPES for word in (known.name, *known.words)}

KNOWN_WORDS = tuple(sorted(_BY_WORD))


def find_type(word: str) -> ConnectionType | None:
    """Return the type that a caller means by `word`, or None."""
    return _BY_WORD.get(word)


def type_of(stored: str) -> ConnectionType:
    """Return the type of a stored row. A legacy token_type may be any word: then it is a lone token."""
    return _BY_WORD.get(stored) or token_type(stored)


def family_of(word: str) -> tuple[str, ...]:
    """Return every word that means the same: git, github and githubs are one."""
    known = type_of(word)
    return (known.name, *known.words)


__all__ = [
    "CONNECTION_TYPES",
    "KNOWN_WORDS",
    "LONE_TOKEN",
    "ConnectionType",
    "family_of",
    "find_type",
    "type_of",
]
