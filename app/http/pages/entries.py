"""A form made of a type's declaration: what stands in its fields, and what is made of what comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import request

from app.connection_types import ConnectionType
from app.connection_types.declaration import Field, Kind
from app.errors import InvalidData, LatchkeyError
from app.models import MASK
from app.services.listing import Opened

from . import forms

KEEP, REMOVE = "keep", "remove"
OTHERS = 4  # further fields that a form has room for

_LINES = (Kind.TEXTS, Kind.TEXT_MAP)


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of a form. `stored` tells of a secret that is kept and not shown."""

    field: Field
    value: str
    stored: bool
    problems: Sequence[str]

    @property
    def is_long(self) -> bool:
        return self.field.long or self.field.kind in _LINES


@dataclass(frozen=True, slots=True)
class Row:
    """One field as a page shows it. `hidden` stands for a secret that is not shown."""

    title: str
    text: str
    hidden: bool


def empty(shape: ConnectionType, problems: Mapping[str, Sequence[str]]) -> list[Entry]:
    """Return the fields of a new form: what was sent before stands in them, but for its secrets."""
    return [
        Entry(
            field,
            "" if field.secret else forms.value_of(f"field-{field.name}"),
            stored=False,
            problems=problems.get(field.name, ()),
        )
        for field in shape.fields
    ]


def kept(shape: ConnectionType, found: Opened, problems: Mapping[str, Sequence[str]]) -> list[Entry]:
    """Return the fields of a form that changes what is stored, the undeclared ones too."""
    undeclared = [Field(name, secret=True, label=name) for name in found.data if name not in _names(shape)]
    return [_kept(field, found, problems.get(field.name, ())) for field in (*shape.fields, *undeclared)]


def data(shape: ConnectionType, sent: Mapping[str, str], *, stored: Opened | None = None) -> dict[str, Any]:
    """Return the data that a form means. A secret that was left alone is the mask. Raises InvalidData."""
    before = {} if stored is None else stored.data
    undeclared = [Field(name, secret=True) for name in before if name not in _names(shape)]
    values = {
        field.name: _value(field, sent, before, readable=stored is not None and not stored.unreadable)
        for field in (*shape.fields, *undeclared)
    }
    return {name: value for name, value in values.items() if value is not None} | _others(sent)


def told(shape: ConnectionType, found: Opened, *, revealed: bool = False) -> list[Row]:
    """Return what is stored as a page shows it, field by field."""
    titles = {field.name: field.title for field in shape.fields}
    return [
        Row(titles.get(name, name), _text(value), hidden=not revealed and shape.is_secret(name))
        for name, value in found.data.items()
    ]


def problems_of(refusal: LatchkeyError | None) -> Mapping[str, Sequence[str]]:
    return {} if refusal is None or refusal.details is None else refusal.details


def sent_others() -> list[tuple[str, str]]:
    """Return the names of the further fields, as they were sent or empty; what is in them is secret."""
    return [(str(number), forms.value_of(f"other-name-{number}")) for number in range(OTHERS)]


def _kept(field: Field, found: Opened, problems: Sequence[str]) -> Entry:
    is_there = found.data.get(field.name) is not None
    if field.secret:
        return Entry(field, "", stored=is_there, problems=problems)
    value = (
        forms.value_of(f"field-{field.name}")
        if problems or request.method == "POST"
        else _text(found.data.get(field.name))
    )
    return Entry(field, value, stored=False, problems=problems)


def _value(field: Field, sent: Mapping[str, str], before: Mapping[str, Any], *, readable: bool) -> Any:
    text = sent.get(f"field-{field.name}", "").replace("\r\n", "\n")  # as forms send the ends of lines
    if text:
        return _READ.get(field.kind, _read_text)(field, text)
    is_kept = field.secret and readable and field.name in before and f"{REMOVE}-{field.name}" not in sent
    return MASK if is_kept else None


def _others(sent: Mapping[str, str]) -> dict[str, str]:
    pairs = [(sent.get(f"other-name-{n}", ""), sent.get(f"other-value-{n}", "")) for n in range(OTHERS)]
    return {name: value.replace("\r\n", "\n") for name, value in pairs if name or value}


def _names(shape: ConnectionType) -> set[str]:
    return {field.name for field in shape.fields}


def _text(value: Any) -> str:
    """Write a value of any kind as a form or a page shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "\n".join(map(str, value))
    if isinstance(value, dict):
        return "\n".join(f"{name}: {item}" for name, item in value.items())
    return "" if value is None else str(value)


def _read_text(field: Field, text: str) -> str:
    return text


def _read_port(field: Field, text: str) -> Any:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text


def _read_flag(field: Field, text: str) -> Any:
    return {"yes": True, "no": False}.get(text, text)


def _read_lines(field: Field, text: str) -> list[str]:
    return [line for line in text.split("\n") if line]


def _read_pairs(field: Field, text: str) -> dict[str, str]:
    pairs = [line.partition(":") for line in _read_lines(field, text)]
    if not all(colon for _, colon, _ in pairs):
        raise InvalidData(details={field.name: ["Each line must be a name, a colon and a value."]})
    return {name.strip(): value.strip() for name, _, value in pairs}


_READ: Mapping[Kind, Callable[[Field, str], Any]] = {
    Kind.PORT: _read_port,
    Kind.FLAG: _read_flag,
    Kind.TEXTS: _read_lines,
    Kind.TEXT_MAP: _read_pairs,
}
