"""deploy/settings.env.example, as it is read and as it is filled in."""

from __future__ import annotations

import re

from config import PROVIDERS
from tests.support.databases import ROOT
from tests.support.settings import base_settings

EXAMPLE = (ROOT / "deploy" / "settings.env.example").read_text("utf-8")
OWN = {"GUNICORN_CMD_ARGS"}  # gunicorn reads it, and the service does not

_PROVIDER = re.compile(rf"^({'|'.join(PROVIDERS)})_")


def offered() -> set[str]:
    """The settings that the file has, commented or not. P stands for each provider, as in the document."""
    return {
        _PROVIDER.sub("P_", name) for name in re.findall(r"^#?([A-Z][A-Z_]+)=", EXAMPLE, re.MULTILINE)
    } - OWN


def told() -> set[str]:
    """The settings that docs/settings.md tells of, in the first column of its table."""
    rows = re.findall(r"^\| (`[^|]+) \|", (ROOT / "docs/settings.md").read_text("utf-8"), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([A-Z][A-Z_]+)`", row)}


def filled_in(**settings: str) -> dict[str, str]:
    """What a process gets that is started with the file, once the operator has put in keys and databases."""
    lines = re.findall(r"^([A-Z][A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE)
    keys = {name: value for name, value in base_settings().items() if name in dict(lines)}
    return {**dict(lines), **keys, **settings}
