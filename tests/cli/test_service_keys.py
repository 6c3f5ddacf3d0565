"""service-keys on the command line: made, shown once, listed, revoked."""

from __future__ import annotations

import json
import re

import pytest

from tests.cli.test_cli import command, fresh
from tests.support.processes import run
from tests.support.service import Service, User
from tests.support.service_keys import make_key

CREATE = ("service-keys", "create")


def listed(service: Service, name: str) -> dict[str, object]:
    rows = json.loads(command(service, "service-keys", "list", "--json").stdout)
    found: dict[str, object] = next(row for row in rows if row["name"] == name)
    return found


def test_the_key_is_printed_as_one_word(service: Service, user: User) -> None:
    words = (*CREATE, fresh(), "--scope", "read_secrets", "--for", user.username)
    done = run("-m", "flask", "--app", "wsgi", *words, environ=service.environ)
    assert done.returncode == 0 and re.fullmatch(r"latchkey_[A-Za-z0-9_-]{43}\n", done.stdout)
    assert "Traceback" not in done.stderr and done.stdout.strip() not in done.stderr


def test_scopes_and_users_may_be_listed_after_one_option(service: Service, user: User) -> None:
    other, name = service.user(), fresh()
    listing = ("--scope", "write", "read_secrets", "--for", user.username, other.username, user.username)
    assert command(service, *CREATE, name, *listing, "--expires-in-days", "3").exit_code == 0
    row = listed(service, name)
    assert (row["scopes"], row["usernames"]) == (
        ["read_secrets", "write"],
        sorted([user.username, other.username]),
    )
    name = fresh()
    assert command(service, *CREATE, "--for", user.username, "--scope", "write", name).exit_code == 0
    assert listed(service, name)["usernames"] == [user.username]


def test_list(service: Service, user: User) -> None:
    some = make_key(service, "--for", user.username, scopes=("write", "read_metadata", "write"))
    every = make_key(service, "--expires-in-days", "3")
    row = listed(service, some.name)
    assert (row["scopes"], row["usernames"]) == (["read_metadata", "write"], [user.username])
    assert row["expires_at"] is None and row["last_used_at"] is None and row["revoked_at"] is None
    assert listed(service, every.name)["usernames"] is None and listed(service, every.name)["expires_at"]
    some.call("GET", "/api/connections", user)
    assert listed(service, some.name)["last_used_at"]
    assert command(service, "service-keys", "revoke", every.name).exit_code == 0
    text = command(service, "service-keys", "list").output
    states = {key.name: next(line for line in text.splitlines() if key.name in line) for key in (some, every)}
    assert "active" in states[some.name] and "revoked" in states[every.name] and "all" in states[every.name]
    assert some.secret not in text and every.secret not in text


@pytest.mark.parametrize(
    "words",
    [
        ("name",),
        ("name", "--scope", "read_everything"),
        ("name", "--scope", ""),
        ("name", "--scope", "write", "read_everything"),
        ("name", "--scope", "write", "--expires-in-days", "3", "4"),
        ("", "--scope", "write"),
        ("x" * 65, "--scope", "write"),
        ("a\nb", "--scope", "write"),
        ("name", "--scope", "write", "--expires-in-days", "0"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_made(service: Service, words: tuple[str, ...]) -> None:
    before = command(service, "service-keys", "list").output
    done = command(service, *CREATE, *words)
    assert done.exit_code != 0 and "latchkey_" not in done.output and "Traceback" not in done.output
    assert command(service, "service-keys", "list").output == before


def test_words_for_what_is_not_there(service: Service) -> None:
    name = make_key(service).name
    taken = command(service, *CREATE, name, "--scope", "write")
    assert (taken.exit_code, taken.output) == (1, "Error: A service key of this name was made before.\n")
    nobody = command(service, *CREATE, fresh(), "--scope", "write", "--for", "nobody-at-all")
    assert (nobody.exit_code, nobody.output) == (1, "Error: No user has this name.\n")
    unknown = command(service, "service-keys", "revoke", "nothing")
    assert (unknown.exit_code, unknown.output) == (1, "Error: No service key has this name.\n")
