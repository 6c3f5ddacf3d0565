"""The drill of docs/backup.md: its own commands, on a service that is written to, and what comes back."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from click.testing import Result

from tests.conftest import start
from tests.support.browser import Agent
from tests.support.databases import ROOT, PostgresqlDatabases, SqliteDatabases
from tests.support.keys import keys, ring
from tests.support.moving import kept, other_service, passphrase_file
from tests.support.processes import gunicorn, only
from tests.support.providers import Sandbox, Switched
from tests.support.roles import roles
from tests.support.rows import actions_of, expire_token
from tests.support.service import Service, StartService, User, twin_of
from tests.support.tables import contents

GUIDE = (ROOT / "docs/backup.md").read_text("utf-8")
SSH = {"host": "192.0.2.7", "username": "reza", "password": "p\r\nä", "sshKey": "-----BEGIN KEY-----\n"}
LEGACY = {"name": "n", "token_type": "some word"}
PROVIDERS = {"discord": "discord", "spotify": "spotify", "github": "github", "gmail": "google"}
ABSENT = "ENCRYPTION_KEYS: key k1 has sealed what is stored and is absent; add it."
ANOTHER = "ENCRYPTION_KEYS: key k1 is not the one that sealed what is stored."

Databases = SqliteDatabases | PostgresqlDatabases


def commands(heading: str) -> list[str]:
    """Return the blocks of commands under a heading of the guide, as they stand there."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", GUIDE, re.DOTALL | re.MULTILINE)
    assert section is not None
    return [
        re.sub("^    ", "", block, flags=re.M) for block in re.findall(r"(?:^    .*\n)+", section[1], re.M)
    ]


def shell(block: str, environ: Mapping[str, str], folder: Path, **variables: str) -> None:
    """Run a block in this folder, with these settings; every command of it must succeed."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = {**only(environ), "PATH": path, "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run(
        ["sh", "-eu", "-c", block], cwd=folder, env=environ, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr


class Store:
    """One kind of database, and what the guide says of it."""

    def __init__(self, databases: Databases, folder: Path) -> None:
        self.databases, self._folder = databases, folder
        is_sqlite = isinstance(databases, SqliteDatabases)
        self.backup, self.restore = commands("SQLite" if is_sqlite else "PostgreSQL")

    def why_not(self) -> str | None:
        """Return why the guide cannot be followed on this machine, or None."""
        program = "sqlite3" if isinstance(self.databases, SqliteDatabases) else "pg_dump"
        if shutil.which(program) is None:
            return f"{program} is not installed"
        if isinstance(self.databases, PostgresqlDatabases):
            said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
            with psycopg.connect(self.databases.server_url) as connection:
                server = connection.info.server_version // 10000
            if int(said.partition(") ")[2].partition(".")[0]) < server:
                return f"{program} is older than the server"
        return None

    def save(self, service: Service) -> Path:
        backup = self._folder / uuid.uuid4().hex
        shell(self.backup, service.environ, self._folder, DB=_name(service.environ), BACKUP=str(backup))
        return backup

    def restored(self, backup: Path, service: Service, *, to_the_letter: bool = False) -> str:
        """Restore into another database, and look it over where that is to the letter; return its URL."""
        environ = {**service.environ, "DATABASE_URL": self.databases.empty()}
        self.restore_to(environ, backup, name=_name(environ), to_the_letter=to_the_letter)
        return environ["DATABASE_URL"]

    def restore_to(
        self, environ: Mapping[str, str], backup: Path, *, name: str, to_the_letter: bool = True
    ) -> None:
        lines = [line for line in self.restore.splitlines() if to_the_letter or line[:6] != "flask "]
        shell("\n".join(lines), environ, self._folder, DB=name, BACKUP=str(backup))


def _name(environ: Mapping[str, str]) -> str:
    """Return what the guide calls DB."""
    return environ["DATABASE_URL"].removeprefix("sqlite:///")


class House:
    """A service with a user who has one of everything, saved while somebody else is writing."""

    def __init__(self, store: Store, sandbox: Sandbox) -> None:
        self.store, self.service = store, start(store.databases.new(), sandbox)
        self.user, self.writer = self.service.user(), self.service.user()
        self.id = add(self.user, "sshes", SSH)
        body = {**LEGACY, "token": "a legacy token"}
        assert self.user.call("POST", "/api/users/:username/connections/addtoken", json=body).ok
        for name in PROVIDERS:
            assert Agent(self.service).connect(self.user, name).status_code == 200
        self.backup, self.written_before = self._saved_while_written_to()

    def _saved_while_written_to(self) -> tuple[Path, int]:
        written: list[int] = []
        busy, done = threading.Event(), threading.Event()

        def write() -> None:
            while not done.is_set():
                written.append(add(self.writer, "custom", {"secret": "x" * 500}))
                if len(written) == 5:
                    busy.set()

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write)
            assert busy.wait(30)
            before = len(written)
            backup = self.store.save(self.service)
            done.set()
            writing.result(30)
        assert len(written) > before, "nobody wrote meanwhile"
        return backup, before

    def restored(self, *, to_the_letter: bool = False) -> str:
        return self.store.restored(self.backup, self.service, to_the_letter=to_the_letter)

    def on(self, url: str, **settings: str) -> dict[str, str]:
        """Return the settings that start this service on another database."""
        return {**twin_of(self.service), "database_url": url, **settings}


def add(user: User, type: str, data: dict[str, str]) -> int:
    body = {"name": "n", "type": type, "data": data}
    answer = user.call("POST", "/api/users/:username/add/connection", json=body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


@pytest.fixture(scope="module")
def store(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Store:
    found = Store(databases, tmp_path_factory.mktemp("backup"))
    if why := found.why_not():
        pytest.skip(why)
    return found


@pytest.fixture(scope="module")
def house(store: Store, sandbox: Sandbox) -> Iterator[House]:
    made = House(store, sandbox)
    yield made
    made.service.close()


@pytest.fixture(scope="module")
def restored(house: House) -> str:
    """A database into which the backup was restored; nobody writes to it."""
    return house.restored(to_the_letter=True)


def test_every_secret_comes_back(
    house: House, restored: str, start_service: StartService, sandbox: Sandbox
) -> None:
    """Logins, too: the restored service has the same keys, and the same clients of the providers."""
    service = start_service(**house.on(restored))
    assert service.call("GET", "/readyz").status_code == 200
    me = house.user.headers
    home = f"/api/users/{house.user.username}"
    read = service.call("GET", f"{home}/get/connection/{house.id}", headers=me)
    assert (read.status_code, read.json()["data"]) == (200, SSH)
    legacy = service.call("POST", f"{home}/connection/gettoken", headers=me, json=LEGACY)
    assert legacy.json() == {"token": "a legacy token"}
    for name, provider in PROVIDERS.items():
        token = service.call("GET", f"/api/connections/{name}/token", headers=me).json()["access_token"]
        assert sandbox.control.token_state(provider, token) == "live"
    written = kept(service, house.writer.username)["connections"]
    assert len(written) >= house.written_before
    assert all(row["data"] == [("secret", "x" * 500)] for row in written)


def test_tokens_are_renewed_after_a_restore(
    store: Store, sandbox: Sandbox, switched: Switched, start_service: StartService
) -> None:
    """With a backup of its own: a renewal spends the tokens of every other copy."""
    switched("github", expiry="expiring")
    old = start_service()
    user = old.user()
    for name in PROVIDERS:
        Agent(old).connect(user, name)
    url = store.restored(store.save(old), old)
    old.close()
    service = start_service(**{**twin_of(old), "database_url": url})
    for name, provider in PROVIDERS.items():
        before = expire_token(service, sandbox, user, provider)
        answer = service.call("GET", f"/api/connections/{name}/token", headers=user.headers)
        assert answer.status_code == 200, answer.text
        token = answer.json()["access_token"]
        assert token != before and sandbox.control.token_state(provider, token) == "live"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"ENCRYPTION_KEYS": ""}, "ENCRYPTION_KEYS: set it to id:base64 pairs, newest first;"),
        ({"ENCRYPTION_KEYS": ring("k2")}, ABSENT),
        ({"ENCRYPTION_KEYS": ring("k2").replace("k2:", "k1:")}, ANOTHER),
    ],
    ids=["without a key", "with another key", "with another key of its name"],
)
def test_nothing_opens_without_the_key(
    house: House, restored: str, start_service: StartService, settings: dict[str, str], sentence: str
) -> None:
    before = contents(restored)
    with gunicorn({**house.service.environ, "DATABASE_URL": restored, **settings}) as server:
        assert server.wait_for_end() == 3
        assert any(line.startswith(sentence) for line in server.log().splitlines()), server.log()
    if settings["ENCRYPTION_KEYS"]:
        service = start_service(**house.on(restored, **settings))
        assert service.call("GET", "/readyz").status_code == 503
        for path in (f"/api/users/:username/get/connection/{house.id}", "/api/connections/discord/token"):
            path = path.replace(":username", house.user.username)
            answer = service.call("GET", path, headers=house.user.headers)
            assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert contents(restored) == before


def test_a_backup_from_before_a_rotation_needs_the_retired_key(
    house: House, start_service: StartService
) -> None:
    """The service itself has done without it since."""
    both, new = ({"ENCRYPTION_KEYS": ring(*ids)} for ids in (("k2", "k1"), ("k2",)))
    rotated = start_service(**house.on(house.restored(), **both))
    assert rotated.call("GET", "/readyz").status_code == 200
    assert keys(rotated, "rotate").exit_code == 0
    without = start_service(**{**twin_of(rotated), **new})
    assert without.call("GET", "/readyz").status_code == 200
    url = house.restored()
    for settings, status in ((both, 200), (new, 503)):
        service = start_service(**house.on(url, **settings))
        assert service.call("GET", "/readyz").status_code == status
    opened = start_service(**house.on(url, **both))
    assert keys(opened, "verify").exit_code == 0
    assert kept(opened, house.user.username) == kept(house.service, house.user.username)


def test_the_owner_restores_and_the_application_has_its_rights_again(
    postgresql: PostgresqlDatabases, sandbox: Sandbox, tmp_path: Path
) -> None:
    store = Store(postgresql, tmp_path)
    if why := store.why_not():
        pytest.skip(why)
    old = start(postgresql.new(), sandbox)
    user = old.user()
    backup = store.save(old)
    old.close()
    with roles(postgresql) as two:
        store.restore_to({**old.environ, **two.settings}, backup, name=two.owner_url)
        new = start(two.application_url, sandbox, MIGRATION_DATABASE_URL=two.owner_url)
        assert new.call("GET", "/readyz").status_code == 200
        assert new.call("GET", "/api/audit", headers=user.headers).status_code == 200
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            two.execute(two.application_url, "DELETE FROM audit_events")
        new.close()


@pytest.mark.parametrize("name", ["discord", "github"])
def test_a_token_that_was_renewed_since_the_backup_is_asked_for_once(
    store: Store, sandbox: Sandbox, switched: Switched, start_service: StartService, name: str
) -> None:
    """Where the provider rotates, its user is told to connect again, and nobody storms it."""
    switched("discord", strict_reuse=True)
    switched("github", expiry="expiring")
    old = start_service()
    user = old.user()
    Agent(old).connect(user, name)
    backup = store.save(old)
    expire_token(old, sandbox, user, name)
    path = f"/api/connections/{name}"
    assert user.call("GET", f"{path}/token").status_code == 200
    old.close()
    service = start_service(**{**twin_of(old), "database_url": store.restored(backup, old)})
    expire_token(service, sandbox, user, name)
    calls, user.service = sandbox.calls(), service
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: user.call("GET", f"{path}/token"), range(12)))
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {
        (409, "reconnect_required")
    }
    assert user.call("GET", f"{path}/status").json()["health"] == "reconnect_required"
    worker: Result = service.app.test_cli_runner().invoke(args=["worker", "--once"])
    assert worker.exit_code == 0 and f"{name} renewals: 0" in worker.output
    assert calls.of(name, "refresh") == 1 and actions_of(service, user).count("grant.end") == 1


def test_the_guides_export_and_import(
    house: House, sandbox: Sandbox, start_service: StartService, tmp_path: Path
) -> None:
    """As it stands there, with a file instead of a hand at the keyboard."""
    out, come = commands("Export and import")[:2]
    password = f"--passphrase-file {passphrase_file(tmp_path)}"
    new = other_service(start_service, house.service)
    for block, environ in ((out, house.service.environ), (come, new.environ)):
        shell(re.sub(r"latchkey\.export", rf"\g<0> {password}", block), environ, tmp_path)
    assert kept(new, house.user.username) == kept(house.service, house.user.username)
