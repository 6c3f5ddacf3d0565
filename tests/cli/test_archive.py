"""The file that an export is: nothing of it can be changed, and no file can do harm before it is refused."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.services.archive import ArchiveRefused, Kind, Reader, Writer
from app.vault import Stretching
from tests.support.moving import PASSPHRASE, imported, write
from tests.support.service import StartService
from tests.support.tables import contents

KINDS = (Kind.USER, Kind.CONNECTION, Kind.CONNECTION, Kind.GRANT)
DOCUMENTS = [(kind, {"n": number}) for number, kind in enumerate(KINDS)]
WRONG = "The passphrase is wrong, or the file was altered at its beginning."
NO_EXPORT = "The file is not one that export has written."

Lines = list[bytes]


def made(passphrase: str = PASSPHRASE) -> bytes:
    file = io.BytesIO()
    writer = Writer(file, passphrase)
    for kind, document in DOCUMENTS:
        writer.add(kind, document)
    writer.end()
    return file.getvalue()


@pytest.fixture(scope="module")
def whole() -> bytes:
    return made()


@pytest.fixture(scope="module")
def another() -> bytes:
    """A second file under the same passphrase."""
    return made()


def read(content: bytes, passphrase: str = PASSPHRASE, *, longest: int = 4096) -> list[tuple[Kind, object]]:
    records = Reader(io.BytesIO(content), passphrase, longest=longest)
    return [(record.kind, record.document) for record in records]


def refused(content: bytes, passphrase: str = PASSPHRASE, *, longest: int = 4096) -> str:
    with pytest.raises(ArchiveRefused) as caught:
        read(content, passphrase, longest=longest)
    return str(caught.value)


def test_what_was_written_is_read_as_often_as_it_is_asked_for(whole: bytes) -> None:
    reader = Reader(io.BytesIO(whole), PASSPHRASE, longest=4096)
    for _ in range(2):
        assert [(record.kind, record.document) for record in reader] == DOCUMENTS
    assert [record.line for record in reader] == [2, 3, 4, 5]
    assert PASSPHRASE not in repr(reader) and "n" not in repr(next(iter(reader))).partition("kind")[2][-8:]


def test_no_two_files_are_alike(whole: bytes, another: bytes) -> None:
    first, second = (content.splitlines() for content in (whole, another))
    assert not set(first) & set(second) and len(first) == len(second) == 6


def test_another_passphrase_opens_nothing(whole: bytes) -> None:
    assert refused(whole, "correct horse battery stable") == WRONG


CHANGES: dict[str, Callable[[Lines, Lines], Lines]] = {
    "without its end": lambda lines, _: lines[:-1],
    "without its last two": lambda lines, _: lines[:-2],
    "the head alone": lambda lines, _: lines[:1],
    "one left out": lambda lines, _: lines[:2] + lines[3:],
    "the first left out": lambda lines, _: lines[:1] + lines[2:],
    "two alike exchanged": lambda lines, _: [*lines[:2], lines[3], lines[2], *lines[4:]],
    "one twice": lambda lines, _: lines[:3] + lines[2:],
    "one in place of another": lambda lines, _: [*lines[:2], lines[3], *lines[3:]],
    "one from another file": lambda lines, other: lines[:2] + other[2:3] + lines[3:],
    "all but the head from another file": lambda lines, other: lines[:1] + other[1:],
    "the head of another file": lambda lines, other: other[:1] + lines[1:],
    "the end of another file": lambda lines, other: lines[:-1] + other[-1:],
    "one added": lambda lines, _: [*lines, lines[2]],
    "nothing added, in a line": lambda lines, _: [*lines, b""],
    "another file added": lambda lines, other: lines + other,
    "two ends": lambda lines, _: [*lines, lines[-1]],
    "an early end": lambda lines, _: [*lines[:2], lines[-1]],
    "of another kind": lambda lines, _: [*lines[:2], lines[2].replace(b"connection", b"grant"), *lines[3:]],
    "of no kind": lambda lines, _: [*lines[:2], lines[2].replace(b"connection", b"secret"), *lines[3:]],
    "no record": lambda lines, _: [*lines[:2], b"[]", *lines[3:]],
    "no JSON": lambda lines, _: [*lines[:2], b"{", *lines[3:]],
    "no base64": lambda lines, _: [*lines[:2], lines[2].replace(b'"sealed": "', b'"sealed": "!'), *lines[3:]],
    "a space in the head": lambda lines, _: [lines[0].replace(b": ", b":  ", 1), *lines[1:]],
    "a space in a record": lambda lines, _: [*lines[:2], lines[2].replace(b": ", b":", 1), *lines[3:]],
    "another member": lambda lines, _: [*lines[:2], lines[2].replace(b"{", b'{"a": 1, '), *lines[3:]],
    "an empty line": lambda lines, _: [*lines[:2], b"", *lines[2:]],
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_noticed(whole: bytes, another: bytes, change: str) -> None:
    changed = CHANGES[change](whole.splitlines(), another.splitlines())
    sentence = refused(b"\n".join(changed) + b"\n")
    assert sentence.endswith(".") and "\n" not in sentence


@pytest.mark.parametrize("end", [{"records": 3}, {"records": 5}, {}, [4]], ids=repr)
def test_a_count_that_is_not_so_is_noticed(end: object) -> None:
    file = io.BytesIO()
    writer = Writer(file, PASSPHRASE)
    for kind, document in DOCUMENTS:
        writer.add(kind, document)
    writer.add(Kind.END, end)  # type: ignore[arg-type]
    assert "line 6" in refused(file.getvalue())


def test_no_flipped_bit_goes_unnoticed(whole: bytes) -> None:
    """Not even one that base64 does not use, or one that makes JSON's white space of another kind."""
    file = io.BytesIO(whole)
    reader = Reader(file, PASSPHRASE, longest=4096)
    for position in range(whole.index(b"\n") + 1, len(whole)):
        bit = 1 << (position % 8)
        file.getbuffer()[position] ^= bit
        with pytest.raises(ArchiveRefused):
            list(reader)
        file.getbuffer()[position] ^= bit


@pytest.mark.parametrize("part", [b"latchkey", b"version", b'"salt": "', b"passes", b": 65536"])
def test_no_flipped_bit_of_the_head_goes_unnoticed(whole: bytes, part: bytes) -> None:
    altered = bytearray(whole)
    altered[whole.index(part) + len(part)] ^= 1
    altered[whole.index(part)] ^= 1
    refused(bytes(altered))


def test_each_cut_is_noticed(whole: bytes) -> None:
    file = io.BytesIO(whole)
    reader = Reader(file, PASSPHRASE, longest=4096)
    for end in range(len(whole) - 1, whole.index(b"\n"), -1):
        file.truncate(end)
        with pytest.raises(ArchiveRefused):
            list(reader)


def head(whole: bytes, **changes: object) -> bytes:
    """Return the file with other costs in its head; None takes one out."""
    first, rest = whole.split(b"\n", 1)
    document = json.loads(first)
    costs = {**document["argon2id"], **changes}
    document["argon2id"] = {name: cost for name, cost in costs.items() if cost is not None}
    return json.dumps(document).encode() + b"\n" + rest


@pytest.mark.parametrize(
    "changes",
    [
        {"memory": 2**31},
        {"memory": 262145},
        {"memory": 19455},
        {"memory": -1},
        {"memory": "many"},
        {"memory": None},
        {"memory": [65536]},
        {"memory": 1e300},
        {"passes": 11},
        {"passes": 1},
        {"passes": 2**64},
        {"lanes": 17},
        {"lanes": 0},
        {"salt": ""},
        {"salt": "AAAA"},
        {"salt": None},
        {"salt": base64.b64encode(bytes(2**16)).decode()},
        {"pepper": 1},
    ],
    ids=repr,
)
def test_a_head_that_would_cost_too_much_or_too_little_is_refused_at_once(
    whole: bytes, changes: dict[str, object]
) -> None:
    begun = time.monotonic()
    assert refused(head(whole, **changes), longest=2**20) == NO_EXPORT
    assert time.monotonic() - begun < 1


def test_costs_that_are_accepted_are_another_key(whole: bytes) -> None:
    for changes in ({"memory": 65537}, {"passes": 4}, {"lanes": 3}):
        assert refused(head(whole, **changes)) == WRONG


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"[]",
        b"null",
        b"{}",
        b'"latchkey-export"',
        b"\xff\xfe",
        b"[" * 5000,
        b'{"format": "other"}',
        b'{"format": "latchkey-export", "version": 1}',
        b'{"format": "latchkey-export", "version": 1, "argon2id": []}',
    ],
    ids=range(11),
)
def test_what_is_no_export_is_refused(content: bytes) -> None:
    assert refused(content, longest=2**16) == NO_EXPORT


def test_another_version_is_said(whole: bytes) -> None:
    later = whole.replace(b'"version": 1', b'"version": 2', 1)
    assert refused(later) == "The file has a form that this version does not know."


def test_a_line_is_read_no_further_than_it_may_be_long(whole: bytes) -> None:
    class Endless(io.BytesIO):
        """Gives what it is asked for, and says how much that was."""

        asked = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            assert size is not None and size > 0
            self.asked += size
            return super().readline(size) or b"x" * size

    begun = b"\n".join(whole.splitlines()[:2]) + b"\n"
    file = Endless(begun)
    with pytest.raises(ArchiveRefused, match=r"^Line 3 is longer .* raise MAX_BODY_BYTES"):
        list(Reader(file, PASSPHRASE, longest=1000))
    assert file.asked <= 3 * 1001


def test_a_passphrase_is_stretched_as_owasp_wants() -> None:
    """Argon2id with at least 19 MiB and two passes, and a salt of its own for each file."""
    one, other = Stretching.new(), Stretching.new()
    assert one.memory >= 19456 and one.passes >= 2 and one.salt != other.salt and len(one.salt) >= 16


@pytest.mark.parametrize("change", ["without its end", "two alike exchanged"])
def test_nothing_of_a_changed_file_is_stored(
    start_service: StartService, tmp_path: Path, change: str
) -> None:
    service, file = start_service(), tmp_path / "file"
    service.call("GET", "/readyz")
    before = contents(service.environ["DATABASE_URL"])
    lines = write(file, DOCUMENTS).read_bytes().splitlines()
    file.write_bytes(b"\n".join(CHANGES[change](lines, lines)) + b"\n")
    for words in ((), ("--skip-conflicts",)):
        done = imported(service, file, *words)
        assert done.exit_code == 1 and done.output.startswith("Error: ") and done.output.count("\n") == 1
    assert contents(service.environ["DATABASE_URL"]) == before


# Written once, on the day this was made. If this test fails, every export that somebody keeps is lost: a new
# form takes another version, and this one is still read.
STORED = b"""\
{"format": "latchkey-export", "version": 1, "argon2id": {"salt": "AAECAwQFBgcICQoLDA0ODw==", \
"passes": 2, "memory": 19456, "lanes": 1}}
{"kind": "user", "sealed": "AQpwYXNzcGhyYXNlVEKSrbLWwu2g1JpF7hkzcu7mnmkbzIDEZzwsYHZhRhimZ5Q1rTZw"}
{"kind": "connection", "sealed": "AQpwYXNzcGhyYXNlE8a0AwTTxUh+eNqObqcj/ktBXX1MWQ793IhwiN56pwAajFpepw=="}
{"kind": "end", "sealed": "AQpwYXNzcGhyYXNl7yiKNKK8STYLPqUg67Kdukh5Ptyl1R/qRve+7LOgyPq3nRbIWT29Y98="}
"""


def test_the_stored_form_never_changes() -> None:
    assert read(STORED, "a pass§hrase of old") == [(Kind.USER, {"é": None}), (Kind.CONNECTION, {"n": [1]})]
