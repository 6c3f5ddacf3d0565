"""flask --app wsgi connections: what all users have connected, how it is, and its end; never a secret."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import update

from app.extensions import db
from app.models import AuditEvent, Connection
from app.providers import PROVIDERS, SERVICES
from tests.cli.test_cli import NOBODY, command, fresh
from tests.support.browser import Agent
from tests.support.providers import Fault, Sandbox
from tests.support.rows import actions_of, ago, change_grant, expire_token, tokens_of
from tests.support.service import PASSWORD, Service, StartService, User, free_port

KNOWN = ", ".join(service.name for service in SERVICES)
UNKNOWN = f"Error: Unknown service; the known ones are: {KNOWN}.\n"


def listed(service: Service, *words: str) -> list[dict[str, Any]]:
    done = command(service, "connections", "list", *words, "--json")
    assert done.exit_code == 0, done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def connected(service: Service, *names: str) -> User:
    user = service.user()
    for name in names:
        assert Agent(service).connect(user, name).status_code == 200
    return user


def typed(user: User, **data: str) -> int:
    body = {"name": "n", "type": "custom", "data": data}
    found: int = user.call("POST", "/api/users/:username/add/connection", json=body).json()["id"]
    return found


def test_everybodys_are_listed_as_each_sees_their_own(start_service: StartService) -> None:
    service = start_service()
    first, second = connected(service, "spotify", "gmail"), connected(service, "github")
    found = listed(service)
    assert [(one["username"], one["service_name"]) for one in found] == [
        (first.username, "gmail"),
        (first.username, "drive"),
        (first.username, "spotify"),
        (second.username, "github"),
    ]
    for one in found:
        owner = first if one.pop("username") == first.username else second
        assert owner.call("GET", f"/api/connections/{one['service_name']}/status").json() == one
    lines = command(service, "connections", "list").output.splitlines()
    assert [line.split()[:2] for line in lines] == [
        [owner.username, name]
        for owner, name in ((first, "gmail"), (first, "drive"), (first, "spotify"), (second, "github"))
    ]
    assert lines[2].endswith("Spotify is connected and renews itself")


def test_the_list_can_be_narrowed(start_service: StartService) -> None:
    service = start_service()
    well, over = connected(service, "github", "spotify"), connected(service, "spotify")
    change_grant(service, over, ended_at=ago(hours=1), due_at=None)
    assert len(listed(service)) == 3
    assert [one["username"] for one in listed(service, "--service", "spotify")] == [
        well.username,
        over.username,
    ]
    ended = listed(service, "--health", "reconnect_required")
    assert [(one["username"], one["remedy"]) for one in ended] == [(over.username, "Connect Spotify again")]
    assert len(listed(service, "--user", well.username.upper(), "--health", "ok")) == 2
    assert listed(service, "--service", "discord") == []
    assert command(service, "connections", "list", "--service", "discord").output == ""


def test_what_is_asked_for_wrongly_is_said(service: Service, user: User) -> None:
    assert command(service, "connections", "list", "--user", fresh()).output == NOBODY
    assert command(service, "connections", "list", "--typed", "--user", fresh()).output == NOBODY
    assert command(service, "connections", "list", "--service", "myspace").output == UNKNOWN
    for words in (("--health", "fine"), ("--typed", "--service", "github"), ("--typed", "--health", "ok")):
        done = command(service, "connections", "list", *words)
        assert done.exit_code == 2 and "Traceback" not in done.output


def test_typed_connections_are_listed_without_what_they_hold(start_service: StartService) -> None:
    service = start_service()
    first, second = service.user(), service.user()
    ids = [typed(first, password="s3cret of the first"), typed(second, k="v"), typed(second, k="v")]
    with service.app.app_context():
        db.session.execute(update(Connection).where(Connection.id == ids[1]).values(sealed=b"\x01\x02k1"))
        db.session.commit()
    found = listed(service, "--typed")
    assert [(one["username"], one["id"], one["opens"]) for one in found] == [
        (first.username, ids[0], True),
        (second.username, ids[1], False),
        (second.username, ids[2], True),
    ]
    assert set(found[0]) == {"username", "id", "name", "type", "created_at", "opens"}
    assert [one["id"] for one in listed(service, "--typed", "--user", second.username)] == ids[1:]
    text = command(service, "connections", "list", "--typed").output
    assert [line.split()[-2] for line in text.splitlines()] == ["yes", "no", "yes"]
    assert "s3cret" not in text + json.dumps(found)


def test_nothing_tells_a_token(start_service: StartService) -> None:
    service = start_service()
    user = connected(service, *(name.name for name in SERVICES if name.name != "drive"))
    secrets = [token for one in PROVIDERS for token in tokens_of(service, user, one)]
    for words in (
        ("list",),
        ("list", "--json"),
        ("show", user.username, "gmail"),
        ("test", user.username, "gmail"),
    ):
        shown = command(service, "connections", *words).output
        assert shown and not [token for token in secrets if token in shown]


def test_show_says_what_the_api_says(service: Service) -> None:
    user = connected(service, "gmail")
    done = command(service, "connections", "show", user.username.upper(), "gmail", "--json")
    told = user.call("GET", "/api/connections/gmail/status").json()
    assert (done.exit_code, json.loads(done.stdout)) == (0, told) and told["shared_with"] == ["drive"]
    lines = command(service, "connections", "show", user.username, "gmail").output.splitlines()
    assert [line.split("  ")[0] for line in lines] == [name.replace("_", " ") for name in told]
    assert "shared with       drive" in lines and "renews itself     yes" in lines


@pytest.mark.parametrize("verb", ["show", "test", "disconnect"])
def test_what_is_not_there_is_one_sentence(start_service: StartService, verb: str) -> None:
    service = start_service()
    user, yes = service.user(), ("--yes",) * (verb == "disconnect")

    def said(*words: str) -> str:
        done = command(service, "connections", verb, *words, *yes)
        assert done.exit_code == 1
        return done.output

    assert said(fresh(), "github") == NOBODY
    assert said(user.username, "myspace") == UNKNOWN
    assert said(user.username, "github") == "Error: GitHub not connected.\n"
    command(service, "services", "disable", "github")
    assert said(user.username, "github") == (
        "Error: github is not offered; first run: flask --app wsgi services enable github\n"
    )
    assert command(service, "connections", verb, user.username).exit_code == 2


def test_a_connection_that_works(service: Service) -> None:
    user = connected(service, "github")
    done = command(service, "connections", "test", user.username, "github")
    label = user.call("GET", "/api/connections/github/status").json()["account_label"]
    assert (done.exit_code, done.output) == (0, f"GitHub of {user.username} works, as {label}.\n")
    found = json.loads(command(service, "connections", "test", user.username, "github", "--json").stdout)
    assert (found["works"], found["failure"], found["status"]["service_name"]) == (True, None, "github")
    assert _last(service, user) == ("operator", "connection.test", "github", "works")


def test_a_connection_that_has_ended_at_its_provider(service: Service, sandbox: Sandbox) -> None:
    user = connected(service, "github")
    expire_token(service, sandbox, user, "github")
    done = command(service, "connections", "test", user.username, "github")
    assert done.exit_code == 1 and done.output == (
        f"GitHub of {user.username} does not work: it has ended there, and only its user can connect again.\n"
    )
    again = command(service, "connections", "test", user.username, "github", "--json")
    assert (again.exit_code, json.loads(again.stdout)["failure"]) == (1, "dead_grant")
    assert _last(service, user)[:3] == ("operator", "connection.test", "github")


def test_a_provider_that_does_not_answer(service: Service, fault: Fault) -> None:
    user = connected(service, "github")
    fault("github", "identity", "status", status=503)
    done = command(service, "connections", "test", user.username, "github")
    assert done.exit_code == 1 and "the provider did not answer; try again later." in done.output


def test_disconnect(service: Service) -> None:
    user = connected(service, "gmail", "github")
    done = command(service, "connections", "disconnect", user.username.upper(), "drive", "--yes")
    assert (done.exit_code, done.output.splitlines()) == (
        0,
        [
            f"Disconnected {user.username.upper()}: drive, gmail.",
            "Revocation: revoked; the provider has ended it.",
        ],
    )
    assert [one["service_name"] for one in listed(service, "--user", user.username)] == ["github"]
    assert actions_of(service, user)[-2:] == ["connection.disconnect", "grant.revoke"]
    assert _last(service, user)[0] == "operator"


def test_disconnect_says_what_the_provider_did_not_take(service: Service, fault: Fault) -> None:
    user = connected(service, "github")
    fault("github", "revoke", "status", status=503)
    done = command(service, "connections", "disconnect", user.username, "github", "--yes")
    assert done.exit_code == 0 and done.output.splitlines()[1] == (
        "Revocation: queued; the provider did not take it, and is asked again for a day."
    )


@pytest.mark.parametrize(
    "words", [("list",), ("list", "--typed"), ("show", "a", "github"), ("test", "a", "github")], ids=" ".join
)
def test_a_database_that_is_away_is_one_sentence(start_service: StartService, words: tuple[str, ...]) -> None:
    service = start_service(database_url=f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
    done = command(service, "connections", *words)
    assert (done.exit_code, done.stdout, done.output.count("\n")) == (1, "", 1)
    assert done.output.startswith("Error: The database does not answer: ")


def _last(service: Service, user: User) -> tuple[str, str, str, str]:
    with service.app.app_context():
        mine = db.session.query(AuditEvent).filter_by(user_id=user.id).order_by(AuditEvent.id.desc())
        event = mine.first()
        assert event is not None
        return event.actor, event.action, event.target, event.detail


def test_a_user_is_shown(service: Service) -> None:
    user = connected(service, "gmail", "github")
    typed(user, k="v")
    body = {"username": user.username, "password": PASSWORD}
    assert service.call("POST", "/api/auth/login", json=body).status_code == 200
    command(service, "users", "disable", user.username)
    command(service, "users", "enable", user.username)
    assert service.call("POST", "/api/auth/login", json=body).status_code == 200
    found = json.loads(command(service, "users", "show", user.username.upper(), "--json").stdout)
    assert found.pop("last_sign_in_at") >= found.pop("created_at")
    assert found == {
        "id": user.id,
        "username": user.username,
        "email": f"{user.username}@example.com",
        "disabled_at": None,
        "service_connections": 3,
        "typed_connections": 1,
        "logins": 1,
    }
    lines = command(service, "users", "show", user.username).output.splitlines()
    assert f"username             {user.username}" in lines and "service connections  3" in lines
    assert command(service, "users", "show", fresh()).output == NOBODY


def test_a_user_who_never_signed_in(service: Service) -> None:
    name = fresh()
    command(service, "users", "create", name, f"{name}@example.com", "--password", PASSWORD)
    found = json.loads(command(service, "users", "show", name, "--json").stdout)
    assert (found["last_sign_in_at"], found["logins"], found["typed_connections"]) == (None, 0, 0)
