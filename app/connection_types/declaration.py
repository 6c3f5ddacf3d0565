"""What a connection type is: a declaration of its fields, and nothing that runs on its own.

`check` and `is_secret` are the only two questions anybody asks of a type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Kind(Enum):
    """What values a field takes: a predicate, and the sentence for a value that is none."""

    TEXT = (lambda value: isinstance(value, str) and value != "", "Must be a text that is not empty.")
    PORT = (
        lambda value: type(value) is int and 1 <= value <= 65535,
        "Must be a whole number from 1 to 65535.",
    )
    FLAG = (lambda value: isinstance(value, bool), "Must be true or false.")
    TEXTS = (
        lambda value: isinstance(value, list) and all(isinstance(item, str) for item in value),
        "Must be a list of texts.",
    )
    TEXT_MAP = (
        lambda value: isinstance(value, dict) and all(isinstance(item, str) for item in value.values()),
        "Must be an object whose values are texts.",
    )

    def __init__(self, accepts: Callable[[Any], bool], sentence: str) -> None:
        self.accepts = accepts
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    kind: Kind = Kind.TEXT
    required: bool = False
    secret: bool = False
    pattern: str | None = None  # the whole text must match
    label: str | None = None  # what people read, if not its name
    long: bool = False  # a text of several lines

    @property
    def title(self) -> str:
        return self.label or self.name.capitalize()

    def problem(self, value: Any) -> str | None:
        """Return the sentence for what is wrong with this value, or None."""
        if not self.kind.accepts(value):
            return self.kind.sentence
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            return "Does not have the expected form."
        return None


@dataclass(frozen=True, slots=True)
class ConnectionType:
    """A named set of fields. `words` are the other names of the same type, and one family with it."""

    name: str
    fields: tuple[Field, ...] = ()
    words: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()  # at least one of these is needed
    alone: str | None = None  # this field by itself is enough
    label: str | None = None  # what people read, if not its name

    @property
    def title(self) -> str:
        return self.label or self.name.capitalize()

    def is_secret(self, name: str) -> bool:
        """Tell whether a field is hidden in lists. What the type does not declare is a secret."""
        return next((field.secret for field in self.fields if field.name == name), True)

    def check(self, data: Mapping[str, Any]) -> dict[str, list[str]]:
        """Return what is wrong, as {field: [sentences]}; empty when the data fits. No value is None."""
        problems = {
            field.name: [problem]
            for field in self.fields
            if field.name in data and (problem := field.problem(data[field.name]))
        }
        if not data:
            return {"data": ["Must have at least one field."]}
        if set(data) != {self.alone}:
            problems |= self._absent(data)
        return problems

    def _absent(self, data: Mapping[str, Any]) -> dict[str, list[str]]:
        absent = {
            field.name: ["Is required."] for field in self.fields if field.required and field.name not in data
        }
        if self.one_of and not set(self.one_of) & set(data):
            absent["data"] = [f"Must have one of: {', '.join(self.one_of)}."]
        return absent
