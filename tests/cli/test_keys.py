"""flask --app wsgi keys: what each command prints, changes, refuses, and ends with."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from app.extensions import db
from app.models import AuditEvent, Connection
from config import Config
from tests.http.test_refresh_protocol import answered, place_of, put_in_spool, waiting
from tests.support.databases import ROOT, PostgresqlDatabases, SqliteDatabases
from tests.support.everything import SEALED, Everything
from tests.support.filling import fill
from tests.support.keys import keys, listed, ring, twin_with
from tests.support.processes import only, run
from tests.support.providers import Fault, Sandbox
from tests.support.rows import tokens_of
from tests.support.service import Service, StartService, free_port, twin_of
from tests.support.settings import ENCRYPTION_KEY, base_settings
from tests.support.tables import contents

FLASK = ("-m", "flask", "--app", "wsgi", "keys")
NONE = dict.fromkeys(SEALED, 0)
OTHER_KEY = base64.b64encode(b"o" * 32).decode()
TAKE_K1_OUT = (
    "k1 seals nothing any more. Take it out of ENCRYPTION_KEYS of every server and start them again; "
    "keep it with the backups that were made until now."
)


@pytest.fixture
def own(start_service: StartService, tmp_path: Path) -> Service:
    """A service with a database and a spool that nobody else fills."""
    return start_service(SPOOL_DIR=str(tmp_path / "spool"))


@pytest.fixture
def everything(own: Service, sandbox: Sandbox, fault: Fault) -> Everything:
    return Everything(own, sandbox, fault)


def lines(counts: dict[str, int], what: str = "sealed anew") -> list[str]:
    return [f"{table}: {counts.get(table, 0)} {what}" for table in SEALED]


def flip(service: Service, id: int, position: int = -1) -> None:
    """Change one bit of a sealed connection."""
    with service.app.app_context():
        row = db.session.get_one(Connection, id)
        altered = bytearray(row.sealed)
        altered[position] ^= 1
        row.sealed = bytes(altered)
        db.session.commit()


def rotations(service: Service) -> list[tuple[int | None, str, str, str]]:
    """Return what the audit says of rotations."""
    with service.app.app_context():
        found = db.session.query(AuditEvent).filter_by(action="keys.rotate").order_by(AuditEvent.id)
        return [(one.user_id, one.actor, one.target, one.detail) for one in found]


def test_generate_prints_an_entry_that_the_settings_take() -> None:
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    environ = {**base_settings(), "DATABASE_URL": nowhere}
    made = [run(*FLASK, "generate", environ=environ) for _ in range(2)]
    assert [one.returncode for one in made] == [0, 0] and made[0].stdout != made[1].stdout
    entry = made[0].stdout.removesuffix("\n")
    id, key = Config.from_env({**environ, "ENCRYPTION_KEYS": entry}).encryption_keys[0]
    assert re.fullmatch(r"k20[0-9]{6}", id) and len(key) == 32
    assert "keys rotate" in made[0].stderr and key not in made[0].stderr.encode()
    assert entry.partition(":")[2] not in made[0].stderr


def test_generate_gives_no_id_twice(start_service: StartService) -> None:
    first = keys(start_service(), "generate").stdout.strip()
    second = keys(start_service(ENCRYPTION_KEYS=first), "generate").stdout.strip()
    third = keys(start_service(ENCRYPTION_KEYS=f"{second},{first}"), "generate").stdout.strip()
    id = first.partition(":")[0]
    assert [one.partition(":")[0] for one in (second, third)] == [f"{id}-2", f"{id}-3"]
    assert keys(start_service(), "generate", "--id", "of-2027_B").stdout.startswith("of-2027_B:")


@pytest.mark.parametrize("id", ["", "a b", "a:b", "é", "x" * 33, "a\n", "\x1b[31m", "٣"])
def test_generate_refuses_an_id_that_the_settings_would_refuse(service: Service, id: str) -> None:
    done = keys(service, "generate", "--id", id)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.output == "Error: An id has 1 to 32 letters, digits, dashes and underscores of ASCII.\n"


def test_generate_refuses_an_id_that_is_in_the_ring(service: Service) -> None:
    done = keys(service, "generate", "--id", "k1")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.output == "Error: ENCRYPTION_KEYS has a key k1; give each key an id of its own.\n"


def test_list_tells_what_each_key_has_sealed(
    start_service: StartService, own: Service, everything: Everything, sandbox: Sandbox
) -> None:
    put_in_spool(own, place_of(own, everything.user), answered(own, sandbox, everything.user))
    second = twin_with(start_service, own, "k2", "k1", "k3")
    fill(second.app, [everything.user.id], 3)
    assert listed(second) == {
        "k2": key(primary=True, has_check=True, rows={"connections": 3}),
        "k1": key(has_check=True, rows=SEALED, spool_files=1),
        "k3": key(),
    }
    assert listed(own) == {
        "k1": key(primary=True, has_check=True, rows=SEALED, spool_files=1),
        "k2": key(in_ring=False, has_check=True, rows={"connections": 3}),
    }
    assert [line.split() for line in keys(second, "list").output.splitlines()] == [
        ["key", "ring", "check", "connections", "grants", "flows", "revocations", "spool"],
        ["k2", "first", "yes", "3", "0", "0", "0", "0"],
        ["k1", "there", "yes", "2", "1", "3", "1", "1"],
        ["k3", "there", "no", "0", "0", "0", "0", "0"],
    ]


def key(
    *,
    primary: bool = False,
    in_ring: bool = True,
    has_check: bool = False,
    rows: dict[str, int] = NONE,
    spool_files: int = 0,
) -> dict[str, object]:
    """Return what `keys list` says of a key that is so."""
    return {
        "primary": primary,
        "in_ring": in_ring,
        "has_check": has_check,
        "rows": NONE | rows,
        "spool_files": spool_files,
    }


def test_list_shows_what_is_no_envelope_and_no_control_character(own: Service) -> None:
    first, second, *_ = fill(own.app, [own.user().id], 3)
    flip(own, first, position=0)
    flip(own, second, position=2)  # the key's id: "k" with another bit is "j"
    with own.app.app_context():
        broken = b"\x01\x04\x1b[1m" + b"x" * 40
        db.session.execute(
            text("UPDATE connections SET sealed = :new WHERE id = :id"), {"id": second, "new": broken}
        )
        db.session.commit()
    found = listed(own)
    assert set(found) == {"k1", None} and found[None]["rows"]["connections"] == 2
    assert "(no envelope)" in keys(own, "list").output and "\x1b" not in keys(own, "list").output


def test_rotate_leaves_nothing_on_the_old_key_and_everything_opens_without_it(
    start_service: StartService, own: Service, everything: Everything
) -> None:
    before = contents(own.environ["DATABASE_URL"])
    both = twin_with(start_service, own, "k2", "k1")
    done = keys(both, "rotate")
    assert (done.exit_code, done.output.splitlines()) == (0, [*lines(SEALED), TAKE_K1_OUT])
    after = contents(own.environ["DATABASE_URL"])
    for table in set(before) - {"key_checks", "audit_events"}:
        assert without_seals(after, table) == without_seals(before, table), table
    assert listed(both) == {"k2": key(primary=True, has_check=True, rows=SEALED), "k1": key()}
    alone = twin_with(start_service, own, "k2")
    everything.read(alone)
    everything.use_up(alone)
    counted = ", ".join(f"{table} {SEALED[table]}" for table in sorted(SEALED))
    assert rotations(alone) == [(None, "operator", "k2", f"{counted}, unreadable 0, retired k1")]


def without_seals(found: dict[str, list[tuple[str, ...]]], table: str) -> list[tuple[str, ...]]:
    return [
        tuple(value for value in row if not value.startswith(("b'\\x01", 'b"\\x01'))) for row in found[table]
    ]


def test_rotate_tells_programs_the_same(start_service: StartService, own: Service) -> None:
    user = own.user()
    ids = fill(own.app, [user.id], 4)
    flip(own, ids[1])
    both = twin_with(start_service, own, "k2", "k1")
    lost = {
        "table": "connections",
        "id": str(ids[1]),
        "user_id": user.id,
        "key_id": "k1",
        "why": "seal broken",
    }
    moved = NONE | {"connections": 3}
    dry = keys(both, "rotate", "--dry-run", "--json")
    ends = {"settled": None, "retired": None, "needed": None}
    assert (dry.exit_code, json.loads(dry.stdout)) == (1, {"moved": moved, "unreadable": [lost], **ends})
    done = keys(both, "rotate", "--json")
    ends = {"settled": True, "retired": [], "needed": ["k1"]}
    assert (done.exit_code, json.loads(done.stdout)) == (1, {"moved": moved, "unreadable": [lost], **ends})


def test_rotate_again_finds_nothing_to_do(start_service: StartService, own: Service) -> None:
    fill(own.app, [own.user().id], 7)
    both = twin_with(start_service, own, "k2", "k1")
    assert keys(both, "rotate", "--batch", "2").output.splitlines() == [
        *lines({"connections": 7}),
        TAKE_K1_OUT,
    ]
    before = contents(own.environ["DATABASE_URL"])
    again = keys(both, "rotate")
    assert (again.exit_code, again.output.splitlines()) == (0, lines({}))
    assert {**before, "audit_events": []} == {**contents(own.environ["DATABASE_URL"]), "audit_events": []}


def test_rotate_stores_what_waits_in_the_spool_under_the_new_key(
    start_service: StartService, own: Service, everything: Everything, sandbox: Sandbox
) -> None:
    fresh = answered(own, sandbox, everything.user)
    put_in_spool(own, place_of(own, everything.user), fresh)
    assert keys(twin_with(start_service, own, "k2", "k1"), "rotate").exit_code == 0
    assert waiting(own) == 0
    alone = twin_with(start_service, own, "k2")
    assert tokens_of(alone, everything.user, everything.provider) == [fresh.access_token, fresh.refresh_token]
    everything.read(alone)


def test_a_key_that_an_answer_on_disk_needs_is_not_retired(
    start_service: StartService, own: Service, everything: Everything, sandbox: Sandbox
) -> None:
    put_in_spool(own, place_of(own, everything.user), answered(own, sandbox, everything.user))
    [answer] = Path(own.environ["SPOOL_DIR"]).glob("*.answer")
    answer.write_bytes(answer.read_bytes()[:-1])
    both = twin_with(start_service, own, "k2", "k1")
    done = keys(both, "rotate")
    assert (
        done.exit_code == 0
        and done.output.splitlines()[-1] == "k1 is still needed: leave it in ENCRYPTION_KEYS."
    )
    assert listed(both)["k1"] == key(has_check=True, spool_files=1)
    twin_with(start_service, own, "k2", ready=False)


def test_a_dry_run_says_what_there_is_and_changes_nothing(
    start_service: StartService, own: Service, everything: Everything, sandbox: Sandbox
) -> None:
    put_in_spool(own, place_of(own, everything.user), answered(own, sandbox, everything.user))
    both = twin_with(start_service, own, "k2", "k1")
    before = contents(own.environ["DATABASE_URL"])
    done = keys(both, "rotate", "--dry-run", "--batch", "1")
    assert (done.exit_code, done.output.splitlines()) == (0, lines(SEALED, "would be sealed anew"))
    assert contents(own.environ["DATABASE_URL"]) == before and waiting(own) == 1


@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["wet", "dry"])
def test_what_does_not_open_is_left_listed_and_counted(
    start_service: StartService, own: Service, caplog: pytest.LogCaptureFixture, dry: tuple[str, ...]
) -> None:
    user = own.user()
    ids = fill(own.app, [user.id], 5)
    flip(own, ids[1])
    flip(own, ids[3], position=0)
    before = contents(own.environ["DATABASE_URL"])["connections"]
    both = twin_with(start_service, own, "k2", "k1")
    done = keys(both, "rotate", *dry)
    told = [
        f"connections {ids[1]} of user {user.id}, key k1: does not open, seal broken",
        f"connections {ids[3]} of user {user.id}: does not open, seal broken",
    ]
    assert (
        done.exit_code == 1 and [line for line in done.stdout.splitlines() if "does not open" in line] == told
    )
    assert set(lines({"connections": 3}, "would be sealed anew" if dry else "sealed anew")) < set(
        done.stdout.splitlines()
    )
    after = contents(own.environ["DATABASE_URL"])["connections"]
    if dry:
        assert after == before
        return
    assert len(set(after) & set(before)) == 2
    assert "k1 is still needed: leave it in ENCRYPTION_KEYS." in done.stdout.splitlines()
    assert listed(both)["k1"]["has_check"] is True
    alarms = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert alarms == [f"row {id} of connections does not open" for id in (ids[1], ids[3])]
    assert "unreadable 2" in rotations(both)[0][3] and "retired" not in rotations(both)[0][3]


def test_rotate_refuses_a_key_that_no_server_has_begun_with(
    start_service: StartService, own: Service, everything: Everything
) -> None:
    """Those that run would not open what it seals."""
    before = contents(own.environ["DATABASE_URL"])
    ahead = start_service(**{**twin_of(own), "ENCRYPTION_KEYS": ring("k2", "k1")})
    for words in (("rotate",), ("rotate", "--dry-run")):
        done = keys(ahead, *words)
        assert (done.exit_code, done.stdout) == (1, "")
        assert done.output == (
            "Error: ENCRYPTION_KEYS: no server has begun to seal with key k2; "
            "start every server with this setting, then rotate.\n"
        )
    assert contents(own.environ["DATABASE_URL"]) == before
    everything.read(own)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        (f"k2:{OTHER_KEY}", "ENCRYPTION_KEYS: key k1 has sealed what is stored and is absent; add it."),
        (f"k1:{OTHER_KEY}", "ENCRYPTION_KEYS: key k1 is not the one that sealed what is stored."),
    ],
    ids=["missing key", "wrong key"],
)
def test_rotate_refuses_a_ring_that_does_not_fit(
    start_service: StartService, own: Service, setting: str, sentence: str
) -> None:
    own.user()
    before = contents(own.environ["DATABASE_URL"])
    misfit = start_service(**{**twin_of(own), "ENCRYPTION_KEYS": setting})
    done = keys(misfit, "rotate")
    assert (done.exit_code, done.stdout, done.output) == (1, "", f"Error: {sentence}\n")
    assert contents(own.environ["DATABASE_URL"]) == before


@pytest.mark.parametrize("size", ["0", "-1", "10001", "many", ""])
def test_a_batch_has_its_bounds(service: Service, size: str) -> None:
    done = keys(service, "rotate", "--batch", size)
    assert done.exit_code == 2 and "--batch" in done.stderr and done.stdout == ""


@pytest.mark.parametrize(
    "words", [("list",), ("rotate",), ("rotate", "--dry-run"), ("verify",)], ids=" ".join
)
def test_a_database_that_cannot_serve_is_one_sentence(
    databases: SqliteDatabases | PostgresqlDatabases, start_service: StartService, words: tuple[str, ...]
) -> None:
    empty = keys(start_service(database_url=databases.empty()), *words)
    assert (empty.exit_code, empty.stdout) == (1, "")
    assert (
        empty.output
        == "Error: The database schema is older than this version; run: flask --app wsgi db upgrade\n"
    )
    nowhere = start_service(database_url=f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
    away = keys(nowhere, *words)
    assert (away.exit_code, away.stdout, away.output.count("\n")) == (1, "", 1)
    assert away.output.startswith("Error: The database does not answer: ")


def test_verify_opens_everything(start_service: StartService, own: Service, everything: Everything) -> None:
    second = twin_with(start_service, own, "k2", "k1")
    fill(second.app, [everything.user.id], 3)
    before = contents(own.environ["DATABASE_URL"])
    done = keys(second, "verify")
    assert (done.exit_code, done.output) == (0, keys(second, "list").output)
    found = json.loads(keys(second, "verify", "--json").output)
    assert found["unreadable"] == [] and [one["id"] for one in found["keys"]] == ["k2", "k1"]
    assert contents(own.environ["DATABASE_URL"]) == before


def test_verify_lists_what_does_not_open_and_why(start_service: StartService, own: Service) -> None:
    user = own.user()
    ids = fill(own.app, [user.id], 4)
    second = twin_with(start_service, own, "k2", "k1")
    [later] = fill(second.app, [user.id], 1)
    flip(own, ids[1])
    flip(own, ids[2], position=0)
    done = keys(own, "verify")
    assert (done.exit_code, done.stdout.splitlines()[-4:]) == (
        1,
        [
            "key_checks k2, key k2: does not open, key absent",
            f"connections {ids[1]} of user {user.id}, key k1: does not open, seal broken",
            f"connections {ids[2]} of user {user.id}: does not open, seal broken",
            f"connections {later} of user {user.id}, key k2: does not open, key absent",
        ],
    )
    told = keys(own, "verify", "--json")
    found = json.loads(told.stdout)
    assert told.exit_code == 1 and [one["id"] for one in found["keys"]] == ["k1", None, "k2"]
    assert found["unreadable"][0] == {
        "table": "key_checks",
        "id": "k2",
        "user_id": None,
        "key_id": "k2",
        "why": "key absent",
    }
    assert found["unreadable"][2] == {
        "table": "connections",
        "id": str(ids[2]),
        "user_id": user.id,
        "key_id": None,
        "why": "seal broken",
    }


def test_verify_opens_every_kind(start_service: StartService, own: Service, everything: Everything) -> None:
    """With a key of the same id and other bytes, nothing opens."""
    impostor = start_service(**{**twin_of(own), "ENCRYPTION_KEYS": f"k1:{OTHER_KEY}"})
    found = json.loads(keys(impostor, "verify", "--json").stdout)["unreadable"]
    counted = {table: sum(one["table"] == table for one in found) for table in ("key_checks", *SEALED)}
    assert counted == {"key_checks": 1, **SEALED} and {one["why"] for one in found} == {"seal broken"}


def test_as_real_processes(start_service: StartService, own: Service) -> None:
    fill(own.app, [own.user().id], 3)
    both = twin_with(start_service, own, "k2", "k1")
    found = run(*FLASK, "rotate", environ=both.environ)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.splitlines() == [*lines({"connections": 3}), TAKE_K1_OUT], "nothing of a progress bar"
    checked = run(*FLASK, "verify", environ={**both.environ, "ENCRYPTION_KEYS": ring("k2")})
    assert (checked.returncode, checked.stderr) == (0, "") and ENCRYPTION_KEY not in checked.stdout


def test_a_terminal_sees_how_far_it_is(start_service: StartService, own: Service) -> None:
    fill(own.app, [own.user().id], 3)
    both = twin_with(start_service, own, "k2", "k1")
    ours, theirs = os.openpty()
    command = [sys.executable, *FLASK, "rotate", "--batch", "1"]
    process = subprocess.Popen(command, cwd=ROOT, env=only(both.environ), stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    with suppress(OSError), os.fdopen(ours, "rb", buffering=0) as terminal:  # which ends with an error
        while piece := terminal.read(4096):
            shown += piece
    assert process.wait(20) == 0
    assert b"33%" in shown and b"100%" in shown and b"connections: 3 sealed anew" in shown
