"""The files of deploy/ fit the service, the documents and each other."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import psycopg
import pytest
import yaml
from sqlalchemy.engine import make_url

from app import create_app
from config import Config
from tests.deploy.settings_file import EXAMPLE, filled_in, offered, told
from tests.support.databases import ROOT, PostgresqlDatabases
from tests.support.processes import only
from tests.support.settings import base_settings

DEPLOY = ROOT / "deploy"
DOCUMENT = (ROOT / "docs" / "deploy.md").read_text("utf-8")
UNITS = ("latchkey", "latchkey-worker", "latchkey-migrate")
FOLDERS = {"StateDirectory", "RuntimeDirectory", "EnvironmentFile", "Environment"}


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def unit(name: str) -> list[tuple[str, str]]:
    lines = (DEPLOY / f"{name}.service").read_text("utf-8").splitlines()
    return [
        (key, value) for key, mark, value in (line.partition("=") for line in lines) if mark and key[0] != "#"
    ]


# systemd


def test_systemd_understands_the_units(tmp_path: Path) -> None:
    verify = program("systemd-analyze")
    binaries = tmp_path / "opt" / ".venv" / "bin"
    binaries.mkdir(parents=True)
    for name in ("gunicorn", "flask"):
        (binaries / name).write_text("#!/bin/sh\n")
        (binaries / name).chmod(0o755)
    for name in UNITS:
        text = (DEPLOY / f"{name}.service").read_text("utf-8").replace("/opt/latchkey", f"{tmp_path}/opt")
        (tmp_path / f"{name}.service").write_text(text)
    units = [str(tmp_path / f"{name}.service") for name in UNITS]
    done = subprocess.run([verify, "verify", "--man=no", *units], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_units_are_walled_in_alike() -> None:
    def walls(name: str) -> list[tuple[str, str]]:
        lines = unit(name)
        return lines[
            lines.index(("NoNewPrivileges", "yes")) : lines.index(("SystemCallErrorNumber", "EPERM")) + 1
        ]

    assert len(walls("latchkey")) > 20
    assert walls("latchkey") == walls("latchkey-worker") == walls("latchkey-migrate")
    for name in UNITS:
        found = dict(unit(name))
        assert (found["User"], found["UMask"], found["LimitCORE"]) == ("latchkey", "0077", "0")


def test_service_and_worker_share_their_folders() -> None:
    service, worker = (
        {line for line in unit(name) if line[0].startswith(tuple(FOLDERS))} for name in UNITS[:2]
    )
    assert service == worker and ("RuntimeDirectoryPreserve", "yes") in service
    assert not any("migrate.env" in value for _, value in service)


def test_systemd_waits_longer_than_gunicorn() -> None:
    graceful = re.search(r"^graceful_timeout = (\d+)", (ROOT / "gunicorn.conf.py").read_text(), re.MULTILINE)
    assert graceful
    for name in UNITS[:2]:
        assert int(dict(unit(name))["TimeoutStopSec"]) > int(graceful[1])


def test_the_operators_command(tmp_path: Path) -> None:
    stub = tmp_path / "systemd-run"
    stub.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    stub.chmod(0o755)
    done = subprocess.run(
        [DEPLOY / "latchkey", "users", "create", "two words"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    said = done.stdout.splitlines()
    assert said[-6:] == ["/opt/latchkey/.venv/bin/flask", "--app", "wsgi", "users", "create", "two words"]
    files = [line.removeprefix("--property=EnvironmentFile=") for line in said if "EnvironmentFile" in line]
    assert files == [value for key, value in unit("latchkey-migrate") if key == "EnvironmentFile"]
    assert "--pipe" in said and "--uid=latchkey" in said


# Settings


def test_the_settings_file_has_every_setting() -> None:
    assert offered() == told()


def test_what_it_shows_commented_are_the_defaults() -> None:
    given = filled_in(DATABASE_URL="sqlite://")
    commented = dict(re.findall(r"^#([A-Z_]+)=(\S.*)$", EXAMPLE, re.MULTILINE))
    own = {"ENCRYPTION_KEYS_FILE", "SPOOL_DIR", "PROMETHEUS_MULTIPROC_DIR", "GUNICORN_CMD_ARGS"}
    shown = {name: value for name, value in commented.items() if name not in own and "GITHUB" not in name}
    assert len(shown) > 12
    assert Config.from_env({**given, **shown}) == Config.from_env(given)


def test_what_it_shows_of_a_provider_is_accepted() -> None:
    shown = dict(re.findall(r"^#(GITHUB_[A-Z_]+)=(\S.*)$", EXAMPLE, re.MULTILINE))
    Config.from_env({**filled_in(DATABASE_URL="sqlite://"), **shown})


# docs/deploy.md


def test_the_document_knows_the_files_and_no_others() -> None:
    named = set(re.findall(r"deploy/[\w.-]*\w", DOCUMENT))
    there = {f"deploy/{path.name}" for path in DEPLOY.iterdir()}
    copies = {path for path in named if f"{path}.example" in there}
    assert named - copies == there


def test_the_commands_of_the_document_are_there() -> None:
    commands = create_app(Config.from_env({**base_settings(), "DATABASE_URL": "sqlite://"})).cli.commands
    named = re.findall(
        r"(?:^ {4}|`|--app wsgi )(?:latchkey) ([a-z-]+)(?: ([a-z-]+))?", DOCUMENT, re.MULTILINE
    )
    assert len(named) >= 4
    for word, next_word in named:
        found = commands[word]
        assert not isinstance(found, click.Group) or next_word in found.commands


# Containers


def copied() -> list[str]:
    """What the last stage of the image takes from this tree."""
    lines = (DEPLOY / "Containerfile").read_text("utf-8").splitlines()
    return [line.split()[1] for line in lines if line.startswith("COPY ") and "--from" not in line]


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8")))


def test_the_image_takes_what_is_there() -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == set(copied())
    assert ignored[1] == "*" and all(list(ROOT.glob(source)) for source in copied())


def test_compose_names_what_is_there() -> None:
    services = compose()["services"]
    for service in services.values():
        for file in service.get("env_file", []):
            assert (DEPLOY / f"{file}.example").is_file(), file
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in compose()["volumes"] or (DEPLOY / source).is_file(), source
        assert set(service["networks"]) <= set(compose()["networks"])
        assert set(service.get("depends_on", {})) <= set(services)
    build = services["service"]["build"]
    assert (DEPLOY / build["context"]).resolve() == ROOT and (ROOT / build["dockerfile"]).is_file()
    assert services["service"]["ports"] == ["127.0.0.1:8080:8080"]
    assert not any("migrate.env" in services[name]["env_file"] for name in ("service", "worker"))


@pytest.mark.parametrize("name", ["service", "worker", "migrate", "redis"])
def test_containers_can_do_little(name: str) -> None:
    container = compose()["services"][name]
    assert container["read_only"] is True and container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]


def test_the_passwords_of_the_roles_have_one_name() -> None:
    read = set(re.findall(r"^\\getenv \w+ (\w+)$", (DEPLOY / "roles.sql").read_text("utf-8"), re.MULTILINE))
    given = set(re.findall(r"^(\w+)=", (DEPLOY / "database.env.example").read_text("utf-8"), re.MULTILINE))
    assert given == read | {"POSTGRES_PASSWORD"}


# Database and Redis


def test_two_roles_of_which_one_may_change_tables(postgresql: PostgresqlDatabases) -> None:
    server = make_url(postgresql.server_url)
    names = {name: f"latchkey_test_{os.urandom(6).hex()}" for name in ("database", "owner", "application")}
    options = [part for name, value in names.items() for part in ("-v", f"{name}={value}")]
    command = [
        program("psql"),
        "-d",
        server.set(drivername="postgresql").render_as_string(hide_password=False),
    ]
    passwords = {"LATCHKEY_OWNER_PASSWORD": "one", "LATCHKEY_PASSWORD": "it's"}
    try:
        done = subprocess.run(
            [*command, "-q", "-v", "ON_ERROR_STOP=1", *options, "-f", DEPLOY / "roles.sql"],
            env=only(passwords),
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert (done.returncode, done.stderr) == (0, "")
        own = server.set(database=names["database"])
        owner = own.set(username=names["owner"], password="one").render_as_string(hide_password=False)
        application = own.set(username=names["application"], password="it's")
        with psycopg.connect(owner) as connection:
            connection.execute("CREATE TABLE mine (id integer)")
        with psycopg.connect(application.render_as_string(hide_password=False)) as connection:
            for statement in ("CREATE TABLE public.mine (id integer)", "CREATE TEMP TABLE mine (id integer)"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)
                connection.rollback()
    finally:
        with psycopg.connect(postgresql.server_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {names['database']} WITH (FORCE)")
            for name in (names["owner"], names["application"]):
                connection.execute(f"DROP ROLE IF EXISTS {name}")
