"""The examples of docs/hosting.md, as they stand there: run, served, and under the command line."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from flask import Flask
from werkzeug.serving import make_server

from app.extensions import db
from tests.support.databases import ROOT, SqliteDatabases
from tests.support.hosts import visitor
from tests.support.processes import run
from tests.support.service import Quiet, free_port
from tests.support.serving import Serving
from tests.support.settings import base_settings

EXAMPLES = re.findall(
    r"^```python\n(.*?)^```", (ROOT / "docs/hosting.md").read_text(), re.DOTALL | re.MULTILINE
)


@pytest.fixture(params=EXAMPLES, ids=["mounted", "blueprint"])
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "host.py"
    path.write_text(request.param)
    return path


@pytest.fixture
def environ(sqlite: SqliteDatabases) -> dict[str, str]:
    return {
        **base_settings(),
        "FLASK_SECRET_KEY": "the host's own",
        "DATABASE_URL": sqlite.new(),
        "PUBLIC_URL": f"http://127.0.0.1:{free_port()}",
        "PROVISION_USERS": "true",
    }


@pytest.fixture
def url(example: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    names = runpy.run_path(str(example))
    host, latchkey = names["host"], names["latchkey"]
    assert isinstance(host, Flask) and isinstance(latchkey, Flask)
    latchkey.add_url_rule("/visitor", view_func=visitor)
    port = int(environ["PUBLIC_URL"].rpartition(":")[2])
    serving = Serving(make_server("127.0.0.1", port, host, threaded=True, request_handler=Quiet))
    yield environ["PUBLIC_URL"]
    serving.close()
    with latchkey.app_context():
        db.engine.dispose()


def test_an_example_serves_both(url: str) -> None:
    browser = requests.Session()
    browser.trust_env = False
    browser.post(f"{url}/login", {"name": "lena"}, allow_redirects=False, timeout=30)
    assert browser.get(f"{url}/latchkey/visitor", timeout=30).json() == {"username": "lena", "id": 8}
    assert browser.get(f"{url}/latchkey/api/connections", timeout=30).status_code == 401
    assert "/latchkey/static/" in browser.get(f"{url}/latchkey/", timeout=30).text
    assert browser.get(f"{url}/elsewhere", timeout=30).status_code == 404


def test_an_example_has_the_command_line(example: Path, environ: dict[str, str]) -> None:
    path = {"PYTHONPATH": f"{example.parent}:{ROOT}"}
    done = run("-m", "flask", "--app", "host:latchkey", "services", "list", environ={**environ, **path})
    assert (done.returncode, "github" in done.stdout) == (0, True), done.stderr


def test_there_are_two_examples() -> None:
    assert len(EXAMPLES) == 2
