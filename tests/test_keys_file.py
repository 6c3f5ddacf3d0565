"""ENCRYPTION_KEYS_FILE instead of ENCRYPTION_KEYS: read where nobody else may read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import Config
from tests.support.settings import ENCRYPTION_KEY, base_settings
from tests.support.starting import KEY, problems


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"k2:{KEY}\nk1:{ENCRYPTION_KEY}\n")
    path.chmod(0o600)
    return path


def environ_with(path: Path) -> dict[str, str]:
    kept = {name: value for name, value in base_settings().items() if name != "ENCRYPTION_KEYS"}
    return {**kept, "ENCRYPTION_KEYS_FILE": str(path)}


def test_is_read_newest_first(path: Path) -> None:
    assert [key_id for key_id, _ in Config.from_env(environ_with(path)).encryption_keys] == ["k2", "k1"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o601])
def test_is_refused_where_others_may_use_it(path: Path, mode: int) -> None:
    path.chmod(mode)
    assert problems(environ_with(path)) == [
        "ENCRYPTION_KEYS_FILE: others may read the file; run chmod 600 on it."
    ]


@pytest.mark.parametrize("content", [b"", b"\n", b"k1", b"\xff\xfe", f"k1:{KEY}\nk1:{KEY}".encode()])
def test_is_refused_with_nonsense_in_it(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    (line,) = problems(environ_with(path))
    assert line.startswith("ENCRYPTION_KEYS_FILE: ") and KEY not in line


def test_must_be_there(path: Path) -> None:
    for missing in (path.parent / "absent", path.parent):
        (line,) = problems(environ_with(missing))
        assert line.startswith("ENCRYPTION_KEYS_FILE: the file cannot be read (")


def test_and_the_variable_are_not_set_both(path: Path) -> None:
    lines = problems({**environ_with(path), "ENCRYPTION_KEYS": f"k1:{KEY}"})
    assert lines == ["ENCRYPTION_KEYS_FILE: ENCRYPTION_KEYS is set too; keep one of the two."]
