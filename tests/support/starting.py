"""Reading settings as the start does, and the lines that it is stopped with."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

import pytest

from config import Config, ConfigError
from tests.support.settings import base_settings

CANARY = "cAnArY-9f8e7d6c5b4a"
KEY = base64.b64encode(b"k" * 32).decode()
PROVIDER_URLS = ("REDIRECT_URI", "AUTHORIZE_URL", "TOKEN_URL", "REVOKE_URL", "USERINFO_URL")


def read(**settings: str) -> Config:
    return Config.from_env({**base_settings(), **settings})


def problems(environ: Mapping[str, str]) -> list[str]:
    """Return the lines that the start is stopped with."""
    with pytest.raises(ConfigError) as caught:
        Config.from_env(environ)
    return str(caught.value).splitlines()


def stops(name: str, value: str, **others: str) -> list[str]:
    """One line, or several of this setting; each names it and a remedy, none shows the value."""
    lines = problems({**base_settings(), **others, name: value})
    for line in lines:
        assert re.fullmatch(rf"{name}: .+ .+\.", line), line
        assert re.search(r"\b(set|make one with|use https|list|leave|keep|give)\b", line), line
        assert CANARY not in line and CANARY[:8] not in line and KEY not in line and value not in line.split()
    return lines
