"""Starting: what production refuses, what development makes for itself, and who reads the environment."""

from __future__ import annotations

import ast
import os
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import config
from config import Config
from tests.support.databases import ROOT
from tests.support.processes import gunicorn, run
from tests.support.settings import base_settings

WRONG = {**base_settings(), "DATABASE_URL": "sqlite:////nowhere/x.db", "STRICT_CONNECT": "perhaps"}
SENTENCE = "STRICT_CONNECT: the value is unknown; set it to true or false."


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of this machine's own that is not there yet."""
    monkeypatch.setattr(config, "INSTANCE", tmp_path / "instance")
    return tmp_path / "instance"


def test_development_makes_its_keys_once(instance: Path) -> None:
    first, second = (Config.from_env({"APP_ENV": "development"}) for _ in range(2))
    path = instance / "keys.env"
    assert first == second and first.encryption_keys[0][0] == "dev"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(instance.stat().st_mode) == 0o700
    assert [file.name for file in instance.iterdir()] == ["keys.env"]
    assert len({*first.secret_keys, *first.tokens.secret_keys}) == 2


def test_what_is_set_wins_over_the_keys_of_this_machine(instance: Path) -> None:
    found = Config.from_env({"APP_ENV": "development", "SECRET_KEY": "s" * 20})
    assert found.secret_keys == ("s" * 20,)


def test_a_keys_file_takes_the_place_of_the_key_of_this_machine(instance: Path, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(base_settings()["ENCRYPTION_KEYS"])
    path.chmod(0o600)
    found = Config.from_env({"APP_ENV": "development", "ENCRYPTION_KEYS_FILE": str(path)})
    assert [key_id for key_id, _ in found.encryption_keys] == ["k1"]


def test_production_makes_no_keys(instance: Path) -> None:
    with pytest.raises(config.ConfigError):
        Config.from_env({})
    assert not instance.exists()


def test_processes_that_start_at_once_agree_on_the_keys(tmp_path: Path) -> None:
    code = (
        "import sys, hashlib, pathlib, config; config.INSTANCE = pathlib.Path(sys.argv[1]);"
        "c = config.Config.from_env();"
        "print(hashlib.sha256(repr(c.encryption_keys + c.secret_keys).encode()).hexdigest())"
    )

    def start(_: int) -> str:
        return run("-c", code, str(tmp_path / "new"), environ={"APP_ENV": "development"}).stdout

    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(start, range(4)))
    assert len(found) == 1 and len(found.pop().strip()) == 64
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["keys.env"]


@pytest.mark.parametrize(
    "command", [["-c", "import wsgi"], ["-m", "flask", "--app", "wsgi", "users", "list"]]
)
def test_a_wrong_setting_ends_with_its_sentence(command: list[str]) -> None:
    ended = run(*command, environ=WRONG)
    assert ended.returncode != 0
    assert (ended.stdout, ended.stderr.strip()) == ("", SENTENCE)


def test_a_wrong_setting_ends_gunicorn() -> None:
    begun = time.monotonic()
    with gunicorn(WRONG) as server:
        assert server.wait_for_end() != 0
        assert server.said() == {SENTENCE} and "Traceback" not in server.log()
    assert time.monotonic() - begun < 15


def test_only_config_reads_the_environment() -> None:
    """In app/ nothing says os.environ, os.getenv or their like, by whatever import."""
    names = {"environ", "environb", "getenv", "getenvb", "putenv", "dotenv", "load_dotenv"}
    found = []
    for path in sorted((ROOT / "app").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Attribute(value=ast.Name(id="os"), attr=name) if name in names:
                    found.append((path.name, node.lineno))
                case ast.ImportFrom(module="os", names=aliases) if {alias.name for alias in aliases} & names:
                    found.append((path.name, node.lineno))
                case ast.Import(names=aliases) if {alias.name for alias in aliases} & {"dotenv", "environ"}:
                    found.append((path.name, node.lineno))
    assert found == []


def test_any_folder_will_do_to_start_from(tmp_path: Path) -> None:
    environ = {**base_settings(), "DATABASE_URL": f"sqlite:///{tmp_path / 'x.db'}"}
    for command in (("db", "upgrade"), ("db", "check"), ("users", "list")):
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", str(ROOT / "wsgi.py"), *command],
            cwd=tmp_path,
            env={**environ, "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "settings",
    [{}, {"APP_ENV": "development", "PUBLIC_URL": "https://connect.example.com"}],
    ids=["production", "elsewhere"],
)
def test_no_console_is_opened_to_visitors(settings: dict[str, str]) -> None:
    environ = {**base_settings(), **settings, "FLASK_DEBUG": "1"}
    ended = run("-c", "import wsgi", environ=environ)
    assert ended.returncode == 3 and ended.stderr.startswith("FLASK_DEBUG: ")
    assert run("-c", "import wsgi", environ={**environ, "FLASK_DEBUG": "0"}).returncode == 0
