"""The documents as data: their files, their code blocks, their links and headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.databases import ROOT

FOLDERS = ("docs", "examples", "benchmarks")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(path for name in FOLDERS for path in (ROOT / name).rglob("*.md"))])

_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^]]*\]\(([^)\s]+)\)|<(?:img|source)[^>]*?src(?:set)?=\"([^\"]+)\"")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block, and the heading that it stands below."""

    heading: str
    language: str
    code: str


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def blocks(name: str) -> list[Block]:
    return [
        Block(heading, found[1], found[2])
        for heading, text in sections(read(name))
        for found in _FENCE.finditer(text)
    ]


def sections(text: str) -> Iterator[tuple[str, str]]:
    """Yield each heading of the second level with what stands below it, and first what stands above all."""
    head, *rest = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    yield "", head
    yield from zip(rest[::2], rest[1::2], strict=True)


def without_code(text: str) -> str:
    """Leave out fenced and indented blocks and what stands between backticks."""
    text = re.sub(r"^(?: {4}.*\n)+", "", _FENCE.sub("", text), flags=re.MULTILINE)
    return re.sub(r"`[^`\n]+`", "", text)


def links(path: Path) -> list[str]:
    """Return where links and pictures lead, as they are written."""
    return [one or other for one, other in _LINK.findall(without_code(path.read_text("utf-8")))]


def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings: small letters, hyphens for spaces, no marks."""
    text = _FENCE.sub("", path.read_text("utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
