"""The archive: a file of records, sealed under a passphrase, in which every change is noticed.

Lines of JSON. The first tells, in clear, how the key is made: with a salt that no other file has. Each of
the others is {"kind": …, "sealed": base64 of an envelope}, bound to the form, to the number of its line and
to its kind, and the last one counts them. So what was altered, left out, put elsewhere, cut off, added, or
taken from another file under the same passphrase is refused. All of this is a stored form: another one takes
another version.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, BinaryIO

from app import strict_json
from app.vault import SealBroken, Stretching

FORMAT, VERSION = "latchkey-export", 1


class Kind(StrEnum):
    USER = "user"
    CONNECTION = "connection"  # of the user before it, as a grant is
    GRANT = "grant"
    REVOCATION = "revocation"
    DEPARTURE = "departure"
    SERVICE_KEY = "service_key"
    END = "end"


class ArchiveRefused(Exception):
    """A file is not what was written, or the passphrase is another. `str()` is the sentence."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record, and the number of its line."""

    line: int
    kind: Kind
    document: Mapping[str, Any] = field(repr=False)


class Writer:
    """Writes records to a file that is open for it, and the one that says that they were all."""

    def __init__(self, file: BinaryIO, passphrase: str) -> None:
        self._file, self._line = file, 1
        stretching = Stretching.new()
        self._vault = stretching.vault(passphrase)
        file.write(_head(stretching))

    def add(self, kind: Kind, document: Mapping[str, Any]) -> None:
        self._line += 1
        plaintext = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
        sealed = self._vault.seal(plaintext, *_place(self._line, kind))
        self._file.write(_sealed_line(kind, sealed))

    def end(self) -> None:
        self.add(Kind.END, {"records": self._line - 1})


class Reader:
    """The records of a file that can be wound back, as often as they are asked for.

    `longest` is what a line may have at most, in bytes. Raises ArchiveRefused here and while it is read:
    what came before is not to be relied on until the last record has come.
    """

    def __init__(self, file: BinaryIO, passphrase: str, *, longest: int) -> None:
        self._file, self._longest = file, longest
        self._vault = _stretching(self._next(1)).vault(passphrase)
        self._start = file.tell()

    def __iter__(self) -> Iterator[Record]:
        self._file.seek(self._start)
        line = 2
        while (record := self._record(line)).kind is not Kind.END:
            yield record
            line += 1
        if record.document != {"records": line - 2} or self._next(line + 1):
            raise ArchiveRefused(f"Something was added to the file, or left out of it, at line {line}.")

    def _record(self, line: int) -> Record:
        text = self._next(line)
        if not text:
            raise ArchiveRefused(f"The file was cut off: it ends at line {line - 1}.")
        try:
            kind, sealed = _sealed(text)
            plaintext = self._vault.open(sealed, *_place(line, kind))
            return Record(line, kind, strict_json.loads(plaintext))
        except (KeyError, TypeError, ValueError, SealBroken):
            raise ArchiveRefused(_does_not_open(line)) from None

    def _next(self, line: int) -> bytes:
        text = self._file.readline(self._longest + 1)
        if len(text) > self._longest:
            raise ArchiveRefused(
                f"Line {line} is longer than what is stored here; if that is to change, raise MAX_BODY_BYTES."
            )
        return text


def _head(stretching: Stretching) -> bytes:
    costs = {**asdict(stretching), "salt": b64encode(stretching.salt).decode("ascii")}
    return _spelled({"format": FORMAT, "version": VERSION, "argon2id": costs})


def _stretching(line: bytes) -> Stretching:
    """Return how the file's key is made, as its first line tells."""
    try:
        head = strict_json.loads(line)
        if head["format"] != FORMAT:
            raise ValueError
        if head["version"] != VERSION:
            raise ArchiveRefused("The file has a form that this version does not know.")
        costs = dict(head["argon2id"])
        salt = b64decode(costs.pop("salt"), validate=True)
        stretching = Stretching(salt, **{name: int(cost) for name, cost in costs.items()})
        _check_spelling(line, _head(stretching))
    except (KeyError, TypeError, ValueError):
        raise ArchiveRefused("The file is not one that export has written.") from None
    return stretching


def _sealed_line(kind: Kind, sealed: bytes) -> bytes:
    return _spelled({"kind": kind, "sealed": b64encode(sealed).decode("ascii")})


def _sealed(line: bytes) -> tuple[Kind, bytes]:
    record = strict_json.loads(line)
    kind, sealed = Kind(record["kind"]), b64decode(record["sealed"], validate=True)
    _check_spelling(line, _sealed_line(kind, sealed))
    return kind, sealed


def _spelled(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line).encode("ascii") + b"\n"


def _check_spelling(line: bytes, written: bytes) -> None:
    """Raise ValueError unless a line is to the byte what is written for what it says."""
    if line != written:
        raise ValueError


def _place(line: int, kind: Kind) -> tuple[str | int, ...]:
    return (FORMAT, VERSION, line, kind)


def _does_not_open(line: int) -> str:
    if line == 2:
        return "The passphrase is wrong, or the file was altered at its beginning."
    return f"The file was altered: line {line} does not open."
