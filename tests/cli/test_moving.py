"""export and import: what users keep goes to another service, which has another key and database."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.cli.files import written
from app.extensions import db
from app.models import AuditEvent, Connection, Departure, Grant, Revocation, User
from app.providers import PROVIDERS
from app.services import ending, exporting
from app.vault import key_id_of
from tests.conftest import start
from tests.http.test_refresh_protocol import answered, place_of, put_in_spool
from tests.support.browser import Agent
from tests.support.databases import ROOT, PostgresqlDatabases, SqliteDatabases
from tests.support.issuing import by_pem, issue
from tests.support.keys import ring
from tests.support.moving import (
    PASSPHRASE,
    exported,
    imported,
    kept,
    other_service,
    passphrase_file,
    records,
)
from tests.support.processes import only, run
from tests.support.providers import Fault, Sandbox
from tests.support.rows import actions_of, ago, change_grant, expire_token, grant_of
from tests.support.service import PASSWORD, Service, StartService, twin_of
from tests.support.service_keys import make_key
from tests.support.tables import contents

pytestmark = pytest.mark.usefixtures("cheap_passphrases")

FLASK = ("-m", "flask", "--app", "wsgi")
NAMES = [provider.service.name for provider in PROVIDERS]
SECRETS = (
    ("sshes", {"password": "p\r\nä\u202e ", "username": "reza", "host": "192.0.2.7", "commands": ["a", "b"]}),
    ("custom", {"z": {"deep": [1, 2.5, None, True]}, "a": "x" * 40000}),
    ("telegrams", {"key": "--not a mask--"}),
)


class House:
    """A service with a user who has one of everything, and others."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.user, self.other, _ = (service.user(name) for name in ("Reza", "ötzi", "gone"))
        for type, data in SECRETS:
            self.add(type, data)
        body = {"name": "", "token_type": "any word", "token": "a legacy token"}
        self.user.call("POST", "/api/users/:username/connections/addtoken", json=body)
        for name in NAMES:
            assert Agent(service).connect(self.user, name).status_code == 200
        assert Agent(service).connect(self.other, "discord").status_code == 200
        service.app.test_cli_runner().invoke(args=["users", "disable", "gone"])
        self.key = make_key(service, "--for", "Reza", "--for", "ötzi")
        self.revoked = make_key(service)
        service.app.test_cli_runner().invoke(args=["service-keys", "revoke", self.revoked.name])

    def add(self, type: str, data: dict[str, Any]) -> None:
        body = {"name": f"my {type}", "type": type, "data": data}
        answer = self.user.call("POST", "/api/users/:username/add/connection", json=body)
        assert answer.status_code == 201, answer.text


@pytest.fixture(scope="module")
def house(databases: SqliteDatabases | PostgresqlDatabases, sandbox: Sandbox) -> Iterator[House]:
    """Read by every test, and changed by none."""
    service = start(databases.new(), sandbox)
    yield House(service)
    service.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "latchkey.export"


def login(service: Service, username: str) -> dict[str, str]:
    body = {"username": username, "password": PASSWORD}
    answer = service.call("POST", "/api/auth/login", json=body)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.fixture(params=["same kind of database", "other kind of database"])
def target(
    request: pytest.FixtureRequest, house: House, sandbox: Sandbox, tmp_path: Path
) -> Iterator[Service]:
    """An empty service with a key of its own, that is the same client of the providers."""
    is_sqlite = house.service.environ["DATABASE_URL"].startswith("sqlite")
    kind = "sqlite" if is_sqlite == request.param.startswith("same") else "postgresql"
    databases: SqliteDatabases | PostgresqlDatabases = request.getfixturevalue(kind)
    same = {name: value for name, value in twin_of(house.service).items() if name != "database_url"}
    settings = {**same, "ENCRYPTION_KEYS": ring("k2"), "SPOOL_DIR": str(tmp_path / "spool")}
    started = start(databases.new(), sandbox, **settings)
    yield started
    started.close()


def count(service: Service, model: type[Any]) -> int:
    with service.app.app_context():
        return db.session.scalar(select(func.count()).select_from(model)) or 0


def test_everything_arrives_as_it_was(house: House, target: Service, file: Path) -> None:
    done = exported(house.service, file)
    told = "3 users, 4 connections, 6 grants, 2 service keys"
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", f"Written: {told}.\n")
    done = imported(target, file)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == f"To come: {told}. Left out: nothing.\nStored: {told}.\n"
    for username in ("Reza", "ötzi", "gone"):
        assert kept(target, username) == kept(house.service, username)
    assert [count(target, model) for model in (User, Connection, Grant)] == [3, 4, 6]


def test_what_arrived_is_used(house: House, target: Service, sandbox: Sandbox, file: Path) -> None:
    exported(house.service, file)
    imported(target, file)
    me = login(target, "REZA")
    listed = target.call("GET", "/api/users/reza/get/connections", headers=me).json()["connections"]
    for row, (type, data) in zip(listed, SECRETS, strict=False):
        read = target.call("GET", f"/api/users/reza/get/connection/{row['id']}", headers=me).json()
        assert (read["type"], read["name"], read["data"]) == (type, f"my {type}", data)
    body = {"name": "", "token_type": "any word"}
    legacy = target.call("POST", "/api/users/reza/connection/gettoken", headers=me, json=body)
    assert legacy.json() == {"token": "a legacy token"}
    for provider in PROVIDERS:
        for service in provider.services:
            path = f"/api/connections/{service.name}"
            token = target.call("GET", f"{path}/token", headers=me).json()["access_token"]
            assert sandbox.control.token_state(provider.name, token) == "live"
            before = house.user.call("GET", f"{path}/status").json()
            assert target.call("GET", f"{path}/status", headers=me).json() == before
    answer = target.call("POST", "/api/auth/login", json={"username": "gone", "password": PASSWORD})
    assert answer.status_code == 401, "who was shut out stays so"


def test_service_keys_act_for_the_same_users(house: House, target: Service, file: Path) -> None:
    exported(house.service, file)
    imported(target, file)
    stranger = target.user()
    keys = [make_key(target), house.key, house.revoked]
    for key in keys:
        key.service = target
    statuses = [
        [key.call("GET", "/api/users/:username/get/connections", name).status_code for key in keys]
        for name in ("reza", "ötzi", stranger.username)
    ]
    assert statuses == [[200, 200, 401], [200, 200, 401], [200, 403, 401]]


def test_all_of_it_is_sealed_with_the_key_of_the_one_who_takes_it(
    house: House, target: Service, file: Path
) -> None:
    exported(house.service, file)
    imported(target, file)
    with target.app.app_context():
        rows = [*db.session.scalars(select(Connection)), *db.session.scalars(select(Grant))]
        assert {key_id_of(row.sealed) for row in rows} == {"k2"} and len(rows) == 10
    verified = target.app.test_cli_runner().invoke(args=["keys", "verify"])
    assert verified.exit_code == 0, verified.output
    content = file.read_text("utf-8")
    for secret in ("legacy", "not a mask", "x" * 100, "Reza", "argon2id$", "discord"):
        assert secret not in content


@pytest.mark.parametrize("name", ["discord", "spotify", "gmail"])
def test_a_token_that_moved_is_renewed_by_its_new_service(
    start_service: StartService, sandbox: Sandbox, file: Path, name: str
) -> None:
    old = start_service()
    user, provider = old.user(), "google" if name == "gmail" else name
    Agent(old).connect(user, name)
    exported(old, file, "--user", user.username)
    new = other_service(start_service, old)
    imported(new, file)
    user.id = next(row.id for row in users_of(new))
    expire_token(new, sandbox, user, provider)
    calls = sandbox.calls()
    token = new.call("GET", f"/api/connections/{name}/token", headers=login(new, user.username)).json()
    assert sandbox.control.token_state(provider, token["access_token"]) == "live" and not token["warning"]
    assert calls.of(provider, "refresh") == 1 and grant_of(new, user).generation == 2


def users_of(service: Service) -> list[User]:
    with service.app.app_context():
        rows = list(db.session.scalars(select(User).order_by(User.id)))
        db.session.expunge_all()
    return rows


def test_a_renewal_begins_anew(start_service: StartService, file: Path) -> None:
    """What was under way, and what failed last, is the old service's; that a grant has ended is not."""
    old = start_service()
    user, ended = old.user(), old.user()
    for one in (user, ended):
        Agent(old).connect(one, "discord")
    due_at = grant_of(old, user, "discord").due_at
    under_way = {"lease_owner": "a" * 32, "lease_node": "b" * 32, "lease_until": ago(seconds=-20)}
    under_way |= {"attempted_at": ago(seconds=1), "attempts": 7, "generation": 9, "due_at": ago(days=1)}
    failed = {"failure": "outage", "failed_at": ago(days=1), "failing_days": 3, "retry_at": ago(days=-1)}
    change_grant(old, user, **under_way, **failed, warned_days=30)
    change_grant(old, ended, ended_at=ago(hours=1), due_at=None)
    Agent(old).connect(user, "facebook")
    change_grant(old, user, "facebook", renewable=False)
    exported(old, file)
    new = other_service(start_service, old)
    imported(new, file)
    user.id, ended.id = (row.id for row in users_of(new))
    last = grant_of(new, user, "facebook")
    assert not last.renewable and last.due_at == last.expires_at, "no exchange moves its end any more"
    grant = grant_of(new, user, "discord")
    assert (grant.generation, grant.attempts, grant.failing_days, grant.warned_days) == (1, 0, 0, 30)
    assert grant.due_at == due_at
    names = ("lease_owner", "lease_node", "lease_until", "attempted_at", "failure", "failed_at", "retry_at")
    assert [getattr(grant, name) for name in names] == [None] * 7
    assert grant_of(new, ended).ended_at is not None and grant_of(new, ended).due_at is None


def test_the_export_of_one_user_holds_nothing_of_others(house: House, file: Path) -> None:
    done = exported(house.service, file, "--user", "REZA", "--user", "reza")
    assert done.stderr == "Written: 1 user, 4 connections, 5 grants.\n"
    kinds = [kind for kind, _ in records(file)]
    assert kinds == ["user", *["connection"] * 4, *["grant"] * 5]


@pytest.mark.parametrize("names", [("nobody",), ("Reza", "nobody"), ("a b",), ("",)])
def test_an_unknown_user_is_one_sentence(house: House, file: Path, names: tuple[str, ...]) -> None:
    before = count(house.service, AuditEvent)
    done = exported(house.service, file, *(word for name in names for word in ("--user", name)))
    assert (done.exit_code, done.output) == (1, "Error: No user has this name.\n")
    assert not file.exists() and len(list(file.parent.iterdir())) == 1
    assert count(house.service, AuditEvent) == before


def test_an_empty_service_moves_too(start_service: StartService, file: Path) -> None:
    assert exported(start_service(), file).stderr == "Written: nothing.\n"
    assert imported(start_service(), file).stdout.endswith("Stored: nothing.\n")


# The file


def test_the_file_is_its_owners_and_takes_no_others_place(house: House, file: Path) -> None:
    exported(house.service, file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in file.parent.iterdir()} == {file.name, "passphrase"}
    before = file.read_bytes()
    done = exported(house.service, file)
    assert (done.exit_code, done.output) == (1, f"Error: {file}: File exists.\n")
    assert file.read_bytes() == before


def test_what_somebody_else_has_made_meanwhile_stays(file: Path) -> None:
    with pytest.raises(FileExistsError), written(file) as draft:
        draft.write(b"an export")
        file.write_text("theirs")
    assert file.read_text() == "theirs" and list(file.parent.iterdir()) == [file]


def test_a_link_that_leads_nowhere_is_not_followed(house: House, file: Path) -> None:
    file.symlink_to(file.parent / "elsewhere")
    assert exported(house.service, file).exit_code == 1
    assert not (file.parent / "elsewhere").exists()


def test_a_folder_that_is_not_there_is_one_sentence(house: House, file: Path) -> None:
    missing = file.parent / "missing" / "file"
    words = ("--passphrase-file", passphrase_file(file.parent))
    for verb in ("export", "import"):
        done = house.service.app.test_cli_runner().invoke(args=[verb, str(missing), *words])
        assert done.exit_code == 1 and done.output.endswith(": No such file or directory.\n")
        assert done.output.count("\n") == 1


def test_two_processes_and_a_pipe(house: House, start_service: StartService, file: Path) -> None:
    target = other_service(start_service, house.service)
    words = ("-", "--passphrase-file", passphrase_file(file.parent))
    out = run(*FLASK, "export", *words, environ=house.service.environ)
    assert out.returncode == 0, out.stderr
    assert PASSPHRASE not in out.stdout + out.stderr and "\r" not in out.stderr
    taken = run(*FLASK, "import", *words, environ=target.environ, input=out.stdout)
    assert (taken.returncode, taken.stdout.splitlines()[-1][:8]) == (0, "Stored: "), taken.stderr
    assert kept(target, "Reza") == kept(house.service, "Reza")
    unasked = run(*FLASK, "import", "-", environ=target.environ, input=out.stdout)
    assert unasked.returncode == 2 and "--passphrase-file" in unasked.stderr


# The passphrase


def asked(service: Service, verb: str, file: Path, *typed: str) -> tuple[int, str]:
    runner = service.app.test_cli_runner()
    done = runner.invoke(args=[verb, str(file)], input="".join(f"{line}\n" for line in typed))
    return done.exit_code, done.output


def test_it_is_asked_for_unseen_and_twice_where_a_file_is_made(
    house: House, target: Service, file: Path
) -> None:
    status, said = asked(house.service, "export", file, PASSPHRASE, PASSPHRASE)
    assert status == 0 and PASSPHRASE not in said and said.count("Passphrase:") == 1
    assert "Repeat for confirmation" in said
    status, said = asked(target, "import", file, PASSPHRASE)
    assert status == 0 and PASSPHRASE not in said and "Repeat" not in said


def test_it_must_be_typed_alike(house: House, file: Path) -> None:
    status, said = asked(house.service, "export", file, PASSPHRASE, PASSPHRASE.upper())
    assert status == 1 and "do not match" in said and not file.exists()


def test_composed_and_decomposed_letters_are_alike(house: House, target: Service, file: Path) -> None:
    asked(house.service, "export", file, *["o\u0308tzi's passphrase"] * 2)
    assert asked(target, "import", file, "\u00f6tzi's passphrase")[0] == 0


@pytest.mark.parametrize("text", ["", "\n", "eleven char", "two\nlines of words", "a\ttab and more words"])
def test_what_is_no_passphrase_is_one_sentence(house: House, file: Path, text: str) -> None:
    name = passphrase_file(file.parent, text)
    for verb in ("export", "import"):
        words = [verb, str(file), "--passphrase-file", name]
        done = house.service.app.test_cli_runner().invoke(args=words)
        assert done.exit_code == 1 and not file.exists()
        assert done.output == "Error: A passphrase is one line of at least 12 characters.\n"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620], ids=oct)
def test_a_passphrase_that_others_may_read_is_refused(house: House, file: Path, mode: int) -> None:
    name = passphrase_file(file.parent, mode=mode)
    words = ["export", str(file), "--passphrase-file", name]
    done = house.service.app.test_cli_runner().invoke(args=words)
    assert done.exit_code == 1 and not file.exists()
    assert done.output == f"Error: {name}: others may read the file; run chmod 600 on it.\n"


# What is written down


def test_each_user_sees_that_their_secrets_left_and_came(house: House, target: Service, file: Path) -> None:
    before = {user: actions_of(house.service, user) for user in (house.user, house.other)}
    exported(house.service, file, "--user", "Reza")
    assert actions_of(house.service, house.user) == [*before[house.user], "data.export"]
    assert actions_of(house.service, house.other) == before[house.other]
    imported(target, file)
    events = target.call("GET", "/api/audit", headers=login(target, "Reza")).json()["events"]
    found = [(event["action"], event["actor"]) for event in reversed(events)][:-1]
    assert found[0] == ("data.import", "operator")
    came = ["connection.add"] * 4 + ["connection.connect"] * 5
    assert sorted(found[1:]) == [(action, "operator") for action in came]
    assert all(PASSPHRASE not in event["detail"] for event in events)


def test_it_is_written_down_before_anything_leaves(start_service: StartService, file: Path) -> None:
    """To a disk that is full nothing can be written, and yet the event is there."""
    service = start_service()
    user = service.user()
    words = ("export", "-", "--passphrase-file", passphrase_file(file.parent))
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, *FLASK, *words],
            cwd=ROOT,
            env=only(service.environ),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1 and done.stderr.endswith("Error: No space left on device.\n")
    assert "Traceback" not in done.stderr
    assert actions_of(service, user)[-1] == "data.export"


def test_it_is_of_one_moment(start_service: StartService, file: Path) -> None:
    """What changes while a slow reader takes it is as it was; who comes meanwhile is not in it."""
    service = start_service()
    user = service.user("a-slow-one")
    body = {"name": "n", "type": "custom", "data": {"a": "x" * 30000}}
    ids = [
        user.call("POST", "/api/users/:username/add/connection", json=body).json()["id"] for _ in range(12)
    ]
    words = ("export", "-", "--passphrase-file", passphrase_file(file.parent))
    process = subprocess.Popen(
        [sys.executable, *FLASK, *words],
        cwd=ROOT,
        env=only(service.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    begun = process.stdout.readline() + process.stdout.readline() + process.stdout.readline()
    for id in ids:
        assert user.call("DELETE", f"/api/users/:username/connection/delete/{id}").status_code == 200
    service.user("somebody-new")
    make_key(service)
    file.write_bytes(begun + process.stdout.read())
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert [kind for kind, _ in records(file)] == ["user", *["connection"] * 12]


def test_who_comes_after_it_was_written_down_is_not_in_it(start_service: StartService) -> None:
    service = start_service()
    service.user("early")
    with service.app.app_context():
        leaving = exporting.announce([])
    late = service.user("late")
    body = {"name": "n", "type": "telegrams", "data": {"token": "t"}}
    late.call("POST", "/api/users/:username/add/connection", json=body)
    make_key(service, "--for", "early", "--for", "late")
    with service.app.app_context():
        found = [(item.kind, item.whose) for item in exporting.everything(leaving)]
        [key] = [item.values for item in exporting.everything(leaving) if item.kind == "service_key"]
    assert found[0] == ("user", "early") and len(found) == 2
    assert key is not None and key["usernames"] == ["early"]


def test_a_row_that_does_not_open_is_named_and_the_rest_is_written(
    start_service: StartService, file: Path
) -> None:
    service = start_service()
    user, other = service.user("broken"), service.user()
    for one in (user, other):
        Agent(service).connect(one, "discord")
        body = {"name": "\x1b[31m", "type": "telegrams", "data": {"token": "t"}}
        one.call("POST", "/api/users/:username/add/connection", json=body)
    with service.app.app_context():
        for model in (Connection, Grant):
            db.session.execute(update(model).where(model.user_id == user.id).values(sealed=b"spoiled"))
        db.session.commit()
    done = exported(service, file)
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        "connection of broken does not open: row 1 is left out.",
        "grant of broken does not open: row 1 is left out.",
        "Written: 2 users, 1 connection, 1 grant.",
    ]
    assert imported(other_service(start_service, service), file).exit_code == 0


def test_programs_are_told_the_same(start_service: StartService, file: Path) -> None:
    service = start_service()
    user, broken = service.user("whole"), service.user("broken")
    id = [
        one.call(
            "POST",
            "/api/users/:username/add/connection",
            json={"name": "", "type": "custom", "data": {"k": "v"}},
        ).json()["id"]
        for one in (user, broken)
    ][1]
    with service.app.app_context():
        db.session.execute(update(Connection).where(Connection.id == id).values(sealed=b"spoiled"))
        db.session.commit()
    done = exported(service, file, "--json")
    lost = {"kind": "connection", "id": id, "whose": "broken"}
    written = {"user": 2, "connection": 1}
    assert (done.exit_code, json.loads(done.stdout)) == (1, {"written": written, "unreadable": [lost]})
    new = other_service(start_service, service)
    found = {"coming": written, "left_out": {}, "conflicts": []}
    for words, stored in ((("--dry-run",), False), ((), True)):
        done = imported(new, file, "--json", *words)
        assert (done.exit_code, json.loads(done.stdout)) == (0, {**found, "stored": stored})
    again = imported(new, file, "--json")
    [first, _] = json.loads(again.stdout)["conflicts"]
    assert (again.exit_code, first["line"], first["whose"]) == (1, 2, "whole") and first["why"]
    unseen = service.app.test_cli_runner().invoke(args=["export", "-", "--json"])
    assert unseen.exit_code == 2 and unseen.stdout == ""


def test_a_key_that_is_absent_is_one_sentence(start_service: StartService, file: Path) -> None:
    service = start_service()
    service.user()
    without = start_service(**twin_of(service) | {"ENCRYPTION_KEYS": ring("k3")})
    sentence = "ENCRYPTION_KEYS: key k1 has sealed what is stored and is absent; add it."
    assert exported(without, file).output == f"Error: {sentence}\n" and not file.exists()


def test_a_service_that_has_only_imported_knows_its_key(start_service: StartService, file: Path) -> None:
    """Another key of that name would seal beside what it cannot open."""
    old = start_service()
    old.user()
    exported(old, file)
    new = other_service(start_service, old)
    assert imported(new, file, "--dry-run").exit_code == 0
    assert contents(new.environ["DATABASE_URL"])["key_checks"] == []
    assert imported(new, file).exit_code == 0
    wrong = start_service(**twin_of(new) | {"ENCRYPTION_KEYS": ring("k3").replace("k3:", "k2:")})
    assert wrong.call("GET", "/readyz").status_code == 503


# What is nobody's


def test_what_must_end_ends_in_the_new_service(
    start_service: StartService, sandbox: Sandbox, fault: Fault, file: Path
) -> None:
    old, watch = start_service(), sandbox.watch()
    user, gone = old.user("here"), old.user("gone")
    for one in (user, gone):
        Agent(old).connect(one, "discord")
    fault("discord", "revoke", "status", times=2, status=503)
    assert user.call("DELETE", "/api/connections/discord").json()["revocation"] == "queued"
    old.app.test_cli_runner().invoke(args=["users", "delete", "gone", "--yes"])
    assert exported(old, file).stderr == "Written: 1 user, 2 revocations.\n"
    new = other_service(start_service, old)
    imported(new, file)
    [here] = users_of(new)
    with new.app.app_context():
        rows = db.session.scalars(select(Revocation).order_by(Revocation.id)).all()
        assert [row.user_id for row in rows] == [here.id, 0]
        db.session.execute(update(Revocation).values(retry_at=ago(seconds=1)))
        db.session.commit()
        assert [ending.retry_next() for _ in range(3)] == [True, True, False]
    assert "live" not in watch.states("discord") and count(new, Revocation) == 0


def test_an_answer_in_the_spool_is_stored_first(
    start_service: StartService, sandbox: Sandbox, file: Path, tmp_path: Path
) -> None:
    old = start_service(SPOOL_DIR=str(tmp_path / "spool"))
    user = old.user()
    Agent(old).connect(user, "discord")
    expire_token(old, sandbox, user, "discord")
    fresh = answered(old, sandbox, user)
    put_in_spool(old, place_of(old, user), fresh)
    exported(old, file)
    [(_, grant)] = [record for record in records(file) if record[0] == "grant"]
    assert (grant["access_token"], grant["refresh_token"]) == (fresh.access_token, fresh.refresh_token)


# Users of a host application


def test_who_a_host_application_signs_in_is_the_same_user(
    start_service: StartService, tmp_path: Path, file: Path
) -> None:
    """Known by the host's id, or by the id that a user had here: neither moves to somebody else."""
    host = by_pem(tmp_path, "RS256")
    old = start_service()
    old.user("first")
    by_our_id = old.user("second")
    provisioned = start_service(**twin_of(old) | host | {"PROVISION_USERS": "true"})
    token = issue(algorithm="RS256", user_id=7001, username="third")
    headers = {"Authorization": f"Bearer {token}"}
    assert provisioned.call("GET", "/api/connections", headers=headers).status_code == 200
    exported(old, file, "--user", "second", "--user", "third")
    new = other_service(start_service, old, **host)
    assert imported(new, file).exit_code == 0
    for user_id, username in ((by_our_id.id, "second"), (7001, "third")):
        token = issue(algorithm="RS256", user_id=user_id)
        path = f"/api/users/{username}/get/connections"
        assert new.call("GET", path, headers={"Authorization": f"Bearer {token}"}).status_code == 200
    for user_id in (1, 3):
        token = issue(algorithm="RS256", user_id=user_id)
        answer = new.call("GET", "/api/connections", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401, "an id that nobody brought is nobody's"


def test_who_was_removed_stays_removed(start_service: StartService, file: Path) -> None:
    old, new = start_service(), start_service()
    earlier, later = ago(days=2), ago(days=1)
    for service, moment in ((old, later), (new, earlier)):
        with service.app.app_context():
            db.session.add(Departure(external_id=7, at=moment))
            db.session.commit()
    exported(old, file)
    assert imported(new, file).stdout.endswith("Stored: 1 departure.\n")
    with new.app.app_context():
        assert [row.at for row in db.session.scalars(select(Departure))] == [later]
