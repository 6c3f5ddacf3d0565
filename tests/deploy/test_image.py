"""What goes into the image is all that the service needs, with the settings file that operators fill in."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.deploy.settings_file import filled_in
from tests.support.databases import ROOT, PostgresqlDatabases
from tests.support.processes import only
from tests.support.roles import roles
from tests.support.service import free_port

CONTAINERFILE = (ROOT / "deploy" / "Containerfile").read_text("utf-8")
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A folder with what the last stage copies from this tree, but for what .dockerignore holds back."""
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    folder = tmp_path / "image"
    folder.mkdir()
    for line in CONTAINERFILE.splitlines():
        if line.startswith("COPY ") and "--from" not in line and "requirements" not in line:
            for source in ROOT.glob(line.split()[1]):
                copy = shutil.copytree if source.is_dir() else shutil.copy
                if source.name not in ignored:
                    copy(source, folder / source.name)
    for cache in folder.rglob("__pycache__"):
        shutil.rmtree(cache)
    return folder


class Container:
    """Runs the image's commands, with nothing but its files, its variables and these settings."""

    def __init__(self, image: Path, settings: Mapping[str, str], port: int) -> None:
        self.image, self.port = image, port
        own = {"PYTHONDONTWRITEBYTECODE": "1", "SPOOL_DIR": f"{image.parent}/spool"}
        self.environ = {**own, "PROMETHEUS_MULTIPROC_DIR": f"{image.parent}/counts", **settings}

    def start(self, command: list[str], **settings: str) -> subprocess.Popen[str]:
        here = [part.replace("0.0.0.0:8080", f"127.0.0.1:{self.port}") for part in command]
        here = [part.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}") for part in here]
        program = [sys.executable] if here[0] == "python" else [sys.executable, "-m", here[0]]
        environ = only({**self.environ, **settings})
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen([*program, *here[1:]], cwd=self.image, env=environ, text=True, **output)  # type: ignore[call-overload, no-any-return]

    def run(self, command: list[str], **settings: str) -> tuple[int, str]:
        process = self.start(command, **settings)
        output, _ = process.communicate(timeout=60)
        return process.returncode, output


SERVE, CHECK = (
    list(ast.literal_eval(line.strip().removeprefix("CMD ")))
    for word in ("gunicorn", "urlopen")
    for line in CONTAINERFILE.splitlines()
    if line.strip().startswith("CMD ") and word in line
)


def test_it_migrates_serves_and_works(image: Path, postgresql: PostgresqlDatabases, redis: str) -> None:
    before = {path.relative_to(image) for path in image.rglob("*")}
    with roles(postgresql) as two:
        settings = filled_in(DATABASE_URL=two.application_url, REDIS_URL=redis)
        container = Container(image, settings, free_port())
        migrate, worker = (COMPOSE["services"][name]["command"] for name in ("migrate", "worker"))
        status, output = container.run(migrate, MIGRATION_DATABASE_URL=two.owner_url)
        assert status == 0, output
        service = container.start(SERVE)
        try:
            wait_until_healthy(container, service)
            status, output = container.run([*worker, "--once"])
            assert status == 0 and "rows cleared" in output, output
        finally:
            service.terminate()
            output, _ = service.communicate(timeout=30)
    assert service.returncode == 0, output
    assert {path.relative_to(image) for path in image.rglob("*")} == before, "its folder may be read-only"


def wait_until_healthy(container: Container, service: subprocess.Popen[str]) -> None:
    assert COMPOSE["services"]["service"]["healthcheck"]["test"] == ["CMD", *CHECK]
    end = time.monotonic() + 30
    while container.run(CHECK)[0]:
        assert service.poll() is None and time.monotonic() < end
        time.sleep(0.2)
