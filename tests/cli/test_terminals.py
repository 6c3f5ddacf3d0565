"""At a real terminal: tables that lose nothing, bars, and questions. Into a pipe: neither of the three."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_audit import make_older
from tests.cli.test_cli import command
from tests.conftest import start
from tests.support.browser import Agent
from tests.support.databases import SqliteDatabases
from tests.support.moving import PASSPHRASE, passphrase_file
from tests.support.processes import run
from tests.support.providers import Sandbox
from tests.support.rows import change_grant
from tests.support.service import Service, User
from tests.support.service_keys import make_key
from tests.support.terminals import Session, at_terminal

HOSTILE = "[red]:smile:[/red] \x1b[41m\x07\u202e tab\there"
HARMLESS = r"[red]:smile:[/red] \x1b[41m\x07\u202e tab\there"


@pytest.fixture(scope="module")
def house(sqlite: SqliteDatabases, sandbox: Sandbox) -> Iterator[Service]:
    """A service of this file's own. What a terminal shows does not depend on the kind of database."""
    started = start(sqlite.new(), sandbox)
    yield started
    started.close()


def with_name(user: User, name: str) -> User:
    body = {"name": name, "type": "custom", "data": {"k": "v"}}
    assert user.call("POST", "/api/users/:username/add/connection", json=body).status_code == 201
    return user


def listed(user: User, **terminal: object) -> Session:
    """List the typed connections of a user."""
    words = ("connections", "list", "--typed", "--user", user.username)
    done = at_terminal(user.service.environ, *words, **terminal)  # type: ignore[arg-type]
    assert done.status == 0, done
    return done


def plain(shown: str) -> str:
    """Return what is seen: without what makes letters bold."""
    return re.sub(r"\x1b\[[0-9;]*m", "", shown)


def test_names_are_shown_to_the_letter_and_do_nothing(house: Service) -> None:
    done = listed(with_name(house.user(), HOSTILE), columns=200)
    assert HARMLESS in plain(done.shown)
    assert not {"\x1b[41m", "\x1b[31m", "\x07", "\u202e", "\t"} & {*re.findall(r"\x1b\[\w+|.", done.shown)}


def test_a_provider_names_accounts_and_they_do_nothing_either(house: Service) -> None:
    user = house.user()
    Agent(house).connect(user, "github")
    change_grant(house, user, account_label=HOSTILE)
    words = (user.username, "github")
    for one in (("list", "--user", user.username), ("show", *words), ("disconnect", *words)):
        done = at_terminal(house.environ, "connections", *one, columns=200, typed="n\n")
        assert HARMLESS in plain(done.shown) and "\x1b[41m" not in done.shown, one


def test_a_narrow_terminal_is_not_overrun_and_loses_no_character(house: Service) -> None:
    done = listed(with_name(house.user(), f"{'ab' * 100}界界界"), columns=60)
    lines = [line for line in plain(done.shown).splitlines() if line.strip()]
    assert max(len(line) for line in lines) <= 60 and len(lines) > 5
    body = "".join(lines[2:])
    assert (body.count("a"), body.count("b"), body.count("界")) == (100, 100, 3)


def test_a_pipe_gets_each_row_in_one_line_whole(house: Service) -> None:
    user = with_name(with_name(house.user(), f"{'ab' * 120} end"), HOSTILE)
    done = listed(user, columns=40, piped=True)
    first, second = done.piped.splitlines()
    assert first.endswith(f"  yes  {'ab' * 120} end") and second.endswith(f"  yes  {HARMLESS}")
    assert first.split()[0] == user.username and done.shown == "" and "\x1b" not in done.piped
    words = ("connections", "list", "--typed", "--user", user.username)
    assert command(house, *words).stdout == done.piped


def test_a_table_has_names_of_columns_at_a_terminal_alone(house: Service) -> None:
    house.user()
    shown = plain(at_terminal(house.environ, "users", "list").shown)
    assert shown.split()[:4] == ["id", "username", "email", "state"]
    assert "username" not in command(house, "users", "list").stdout


def test_a_user_is_deleted_when_a_person_says_so(house: Service) -> None:
    user = with_name(house.user(), "n")
    Agent(house).connect(user, "gmail")
    words = ("users", "delete", user.username)
    kept = at_terminal(house.environ, *words, typed="n\n")
    question = (
        f"Remove {user.username} and everything they stored: 2 connections to services and 1 of their own?"
    )
    assert kept.status == 1 and question in kept.shown
    assert user.call("GET", "/api/auth/me").status_code == 200
    gone = at_terminal(house.environ, *words, typed="y\n", piped=True)
    assert (gone.status, gone.piped) == (0, f"{user.username} is gone.\n") and question in gone.shown
    assert user.call("GET", "/api/auth/me").status_code == 401


def test_a_connection_is_ended_when_a_person_says_so_and_told_what_goes_along(house: Service) -> None:
    user = house.user()
    Agent(house).connect(user, "gmail")
    words = ("connections", "disconnect", user.username, "gmail")
    kept = at_terminal(house.environ, *words, typed="\n")
    assert kept.status == 1 and f"End gmail, drive of {user.username}, connected as " in kept.shown
    assert user.call("GET", "/api/connections/drive/status").status_code == 200
    gone = at_terminal(house.environ, *words, typed="y\n", piped=True)
    assert gone.status == 0 and gone.piped.splitlines() == [
        f"Disconnected {user.username}: gmail, drive.",
        "Revocation: revoked; the provider has ended it.",
    ]
    assert user.call("GET", "/api/connections/drive/status").status_code == 404


def test_a_key_is_ended_when_a_person_says_so(house: Service) -> None:
    key, user = make_key(house), house.user()
    words = ("service-keys", "revoke", key.name)
    assert at_terminal(house.environ, *words, typed="n\n").status == 1
    assert key.call("GET", "/api/connections", user).status_code == 200
    assert at_terminal(house.environ, *words, "--yes").shown == f"{key.name} opens nothing any more.\n"
    assert key.call("GET", "/api/connections", user).status_code == 401


def test_events_are_removed_when_a_person_says_so(house: Service) -> None:
    make_older(house, house.user(), 400)
    kept = at_terminal(house.environ, "audit", "prune", typed="n\n")
    assert kept.status == 1 and "Remove 1 events older than 365 days? [y/N]: " in kept.shown
    gone = at_terminal(house.environ, "audit", "prune", "--json", typed="y\n", piped=True)
    assert gone.status == 0 and "100%" in gone.shown
    assert json.loads(gone.piped) == {"events": 1, "days": 365, "dry_run": False}
    again = at_terminal(house.environ, "audit", "prune")
    assert again.shown == "0 events older than 365 days are gone.\n", "nothing to ask about"


def test_bars_go_past_what_is_piped(house: Service, tmp_path: Path) -> None:
    with_name(house.user(), "n")
    checked = at_terminal(house.environ, "keys", "verify", "--json", piped=True)
    assert checked.status == 0 and "100%" in checked.shown and json.loads(checked.piped)["unreadable"] == []
    words = (str(tmp_path / "file"), "--passphrase-file", passphrase_file(tmp_path), "--json")
    taken = at_terminal(house.environ, "export", *words, piped=True)
    assert "100%" in taken.shown and json.loads(taken.piped)["written"]["user"] >= 1
    assert PASSPHRASE not in taken.shown + taken.piped


@pytest.mark.parametrize("words", ["users delete", "connections disconnect"])
def test_without_a_terminal_nothing_is_asked_and_nothing_done(house: Service, words: str) -> None:
    user = house.user()
    Agent(house).connect(user, "github")
    service = ("github",) * words.startswith("connections")
    done = run(
        "-m",
        "flask",
        "--app",
        "wsgi",
        *words.split(),
        user.username,
        *service,
        environ=house.environ,
        input="y\n",
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: This cannot be undone, and there is no terminal to ask at; add --yes.\n"
    assert user.call("GET", "/api/connections/github/status").status_code == 200


def test_a_script_goes_on_where_it_was_never_asked(house: Service) -> None:
    name = make_key(house).name
    make_older(house, house.user(), 400)
    words = {"service-keys revoke": f"{name} opens nothing any more.\n"}
    words["audit prune"] = "1 events older than 365 days are gone.\n"
    for one, told in words.items():
        arguments = [*one.split(), *([name] if "keys" in one else [])]
        done = run("-m", "flask", "--app", "wsgi", *arguments, environ=house.environ, input="")
        assert (done.returncode, done.stdout, done.stderr) == (0, told, "")
