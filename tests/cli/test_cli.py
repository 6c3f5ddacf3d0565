"""The operator's door: users and services, as commands on the database that a service runs on."""

from __future__ import annotations

import json
import uuid

import pytest
from click.testing import Result

from app.providers import SERVICES
from tests.support.processes import run
from tests.support.service import PASSWORD, Service, StartService, User

NEW = "a password from the operator"
NOBODY = "Error: No user has this name.\n"


def fresh() -> str:
    return f"c{uuid.uuid4().hex[:12]}"


def command(service: Service, *words: str, typed: str | None = None) -> Result:
    found: Result = service.app.test_cli_runner().invoke(args=words, input=typed)
    return found


def login(service: Service, username: str, password: str) -> int:
    body = {"username": username, "password": password}
    return service.call("POST", "/api/auth/login", json=body).status_code


@pytest.mark.parametrize("way", ["option", "prompt"])
def test_create(service: Service, way: str) -> None:
    name = fresh()
    words = ("users", "create", name, f"{name}@example.com")
    if way == "option":
        done = command(service, *words, "--password", NEW)
    else:
        done = command(service, *words, typed=f"{NEW}\n{NEW}\n")
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, f"{name} can sign in.")
    assert NEW not in done.output and login(service, name, NEW) == 200


def test_create_asks_twice(service: Service) -> None:
    name = fresh()
    done = command(service, "users", "create", name, f"{name}@example.com", typed=f"{NEW}\nanother one\n")
    assert done.exit_code != 0 and NEW not in done.output and login(service, name, NEW) == 401


@pytest.mark.parametrize(
    ("username", "email", "password", "field"),
    [
        ("a b", "a@example.com", NEW, "username"),
        ("x" * 65, "a@example.com", NEW, "username"),
        ("", "a@example.com", NEW, "username"),
        ("abc", "nobody", NEW, "email"),
        ("abc", "a@example.com", "short", "password"),
        ("abc", "a@example.com", "x" * 257, "password"),
    ],
)
def test_the_operator_is_held_to_the_same_bounds(
    service: Service, username: str, email: str, password: str, field: str
) -> None:
    done = command(service, "users", "create", username, email, "--password", password)
    assert done.exit_code == 1 and done.output.startswith(f"Error: {field}: ")
    assert done.output.count("\n") == 1 and password not in done.output


def test_what_is_taken_is_said(service: Service, user: User) -> None:
    same_name = command(service, "users", "create", user.username.upper(), "a@example.com", "--password", NEW)
    same_email = command(
        service, "users", "create", fresh(), f"{user.username}@EXAMPLE.com", "--password", NEW
    )
    assert (same_name.exit_code, same_name.output) == (1, "Error: This username is taken.\n")
    assert (same_email.exit_code, same_email.output) == (1, "Error: This email address is taken.\n")


def test_reset_password_ends_every_login(service: Service, user: User) -> None:
    done = command(service, "users", "reset-password", user.username.upper(), typed=f"{NEW}\n{NEW}\n")
    assert done.exit_code == 0 and NEW not in done.output
    assert user.call("GET", "/api/auth/me").status_code == 401
    headers = {"Authorization": f"Bearer {user.refresh_token}"}
    assert service.call("POST", "/api/auth/refresh", headers=headers).status_code == 401
    assert login(service, user.username, PASSWORD) == 401 and login(service, user.username, NEW) == 200


def test_disable_and_enable(service: Service, user: User) -> None:
    assert command(service, "users", "disable", user.username).exit_code == 0
    assert user.call("GET", "/api/auth/me").status_code == 401
    assert login(service, user.username, PASSWORD) == 401
    assert command(service, "users", "enable", user.username).exit_code == 0
    assert user.call("GET", "/api/auth/me").status_code == 401, "a login from before is over"
    assert login(service, user.username, PASSWORD) == 200


def test_delete(service: Service, user: User) -> None:
    kept = command(service, "users", "delete", user.username, typed="y\n")
    assert kept.exit_code == 1 and user.call("GET", "/api/auth/me").status_code == 200
    gone = command(service, "users", "delete", user.username, "--yes")
    assert (gone.exit_code, gone.output) == (0, f"{user.username} is gone.\n")
    assert user.call("GET", "/api/auth/me").status_code == 401
    assert login(service, user.username, PASSWORD) == 401
    assert command(service, "users", "delete", user.username, "--yes").output == NOBODY


def test_list(service: Service, user: User) -> None:
    command(service, "users", "disable", user.username)
    lines = command(service, "users", "list").output.splitlines()
    line = next(line for line in lines if user.username in line.split())
    assert line.split() == [str(user.id), user.username, f"{user.username}@example.com", "disabled"]
    rows = json.loads(command(service, "users", "list", "--json").output)
    mine = next(row for row in rows if row["id"] == user.id)
    assert set(mine) == {"id", "username", "email", "created_at"} and mine["username"] == user.username
    assert "argon2" not in json.dumps(rows)


@pytest.mark.parametrize(
    "words",
    [
        ("reset-password", "--password", NEW),
        ("disable",),
        ("enable",),
        ("delete", "--yes"),
    ],
    ids=lambda words: words[0],
)
def test_an_unknown_user_is_one_sentence(service: Service, words: tuple[str, ...]) -> None:
    for name in (fresh(), "", "%", "x" * 500, "\x1b[31m"):
        done = command(service, "users", words[0], *words[1:], "--", name)
        assert (done.exit_code, done.output) == (1, NOBODY)


def test_services_list(service: Service) -> None:
    rows = json.loads(command(service, "services", "list", "--json").output)
    assert {(row["id"], row["name"]) for row in rows} == {(one.id, one.name) for one in SERVICES}
    lines = command(service, "services", "list").output.splitlines()
    assert len(lines) == len(SERVICES)
    for line, one in zip(lines, sorted(SERVICES, key=lambda one: one.id), strict=True):
        assert line.split()[:2] == [str(one.id), one.name] and one.display_name in line


def test_a_disabled_service_is_not_found(start_service: StartService) -> None:
    service = start_service()
    user = service.user()
    for one in SERVICES:
        done = command(service, "services", "disable", one.name)
        assert (done.exit_code, done.output) == (0, f"{one.name} is not offered any more.\n")
        answers = [user.call(method, f"/api/connections/{one.name}") for method in ("GET", "POST", "DELETE")]
        answers.append(user.call("POST", f"/api/connections/{one.name}/authorize"))
        for answer in answers:
            found = answer.status_code, answer.json()["error"], answer.json()["code"]
            assert found == (404, f"{one.display_name} service not found", "service_not_found")
        assert one.name not in user.call("GET", "/api/connections").text
        assert '"enabled": false' in command(service, "services", "list", "--json").output
        assert command(service, "services", "enable", one.name).exit_code == 0
        assert user.call("GET", f"/api/connections/{one.name}").status_code == 302


@pytest.mark.parametrize("verb", ["enable", "disable"])
def test_an_unknown_service_is_one_sentence(service: Service, verb: str) -> None:
    done = command(service, "services", verb, "myspace")
    assert done.exit_code == 1 and done.output.count("\n") == 1
    assert done.output == "Error: myspace service not found.\n"


def test_as_real_processes(start_service: StartService) -> None:
    service, name = start_service(), fresh()
    flask = ("-m", "flask", "--app", "wsgi")
    made = run(
        *flask, "users", "create", name, f"{name}@example.com", "--password", NEW, environ=service.environ
    )
    assert (made.returncode, made.stdout, made.stderr) == (0, f"{name} can sign in.\n", "")
    assert login(service, name, NEW) == 200
    missing = run(*flask, "users", "disable", "nobody", environ=service.environ)
    assert (missing.returncode, missing.stdout, missing.stderr) == (1, "", NOBODY)
