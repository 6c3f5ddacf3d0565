"""What an examination finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """`remedy` says what to do; None where nothing is to be done."""

    subject: str
    level: Level
    what: str
    remedy: str | None = None


def ok(subject: str, what: str) -> Finding:
    return Finding(subject, Level.OK, what)


def warning(subject: str, what: str, remedy: str) -> Finding:
    return Finding(subject, Level.WARNING, what, remedy)


def problem(subject: str, what: str, remedy: str) -> Finding:
    return Finding(subject, Level.PROBLEM, what, remedy)
