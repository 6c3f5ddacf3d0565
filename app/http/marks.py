"""What the decorators of a view write on it: the document of the API is read off, and never written twice.

`functools.wraps` carries the marks of the inner function to the outer one: the last one has them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from marshmallow import Schema

from app.errors import LatchkeyError
from app.services.service_keys import Scope

View = Callable[..., Any]


class Guard(Enum):
    """Who may call."""

    ANYBODY = auto()
    PERSON = auto()  # a JWT in the header
    CALLER = auto()  # the same, or a service key that names its user
    STARTER = auto()  # the same, or a JWT in the query
    LOGIN = auto()  # a refresh token in the header


@dataclass(frozen=True, slots=True)
class Body:
    schema: type[Schema]
    optional: bool


@dataclass(frozen=True, slots=True)
class Answer:
    schema: type[Schema]
    status: int
    many: bool


@dataclass(slots=True)
class Marks:
    """What is known of a view. `words` are the failures that its decorators bring with them."""

    guard: Guard = Guard.ANYBODY
    scope: Scope | None = None
    confirms: bool = False  # asks by itself whether the caller still stands
    body: Body | None = None
    query: type[Schema] | None = None
    answer: Answer | None = None
    words: frozenset[type[LatchkeyError]] = field(default_factory=frozenset)


def of(view: View) -> Marks:
    """Return the marks of a view; a view that nothing decorates has none."""
    return Marks(**{name: view.__dict__[name] for name in Marks.__slots__ if name in view.__dict__})


def mark(view: View, *words: type[LatchkeyError], **facts: Any) -> View:
    """Write facts of `Marks` on a view, and add these words to those that it has."""
    view.__dict__.update(facts, words=of(view).words.union(words))
    return view
