"""What a username may be, and when two of them are the same."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 64  # characters, as stored: NFC makes two or three of some

# Letters and symbols that show nothing: fillers, joiners, a blank Braille cell. Their category is not Cf.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_SELECTORS = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
_VARIATION_SELECTORS = re.compile(f"[{_SELECTORS}]")
_REFUSED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})

# The same as a pattern of ECMA-262 (with its flag u), but for the lone dots.
FORM = rf"^[^/\\\p{{C}}\p{{Z}}{''.join(sorted(_INVISIBLE))}{_SELECTORS}]+$"


def key_of(name: str) -> str:
    """Return the form in which two names are compared: NFC, casefolded, NFC again."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def key_if_possible(name: str) -> str:
    """Return the same of what may be anything; "", which is nobody's, where it can be no username."""
    return "" if problem_with(name) else key_of(name)


def problem_with(username: str) -> str | None:
    """Return the sentence for what is wrong with this username, or None."""
    if username in (".", "..") or set(username) & set("/\\"):
        return "Must be usable in a URL: no slash, no lone dots."
    if len(unicodedata.normalize("NFC", username)) > LONGEST:
        return f"Must not be longer than {LONGEST} characters."
    shows_nothing = _VARIATION_SELECTORS.search(username) or set(username) & _INVISIBLE
    if shows_nothing or any(unicodedata.category(char) in _REFUSED for char in username):
        return "Must not have spaces, control characters or invisible characters."
    return None
