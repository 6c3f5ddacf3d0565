"""The doctor: each thing that can be wrong is found, with its remedy; a sound installation is told so."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import update

from app.extensions import db
from app.models import AuditEvent, Connection, Revocation, now
from tests.cli.test_cli import command
from tests.support.browser import Agent
from tests.support.providers import Fault, Sandbox
from tests.support.redis import redis_url
from tests.support.rows import ago, change_grant
from tests.support.service import Service, StartService, free_port

GOOD = {"STRICT_CONNECT": "true"}


def findings(service: Service, *, status: int) -> dict[str, list[dict[str, str]]]:
    """Return what is found, without what is well, by its subject."""
    done = command(service, "doctor", "--json")
    assert done.exit_code == status, done.output
    found: dict[str, list[dict[str, str]]] = {}
    for one in json.loads(done.stdout):
        assert set(one) == {"subject", "level", "what", "remedy"} and one["what"].endswith(".")
        assert (one["remedy"] is None) == (one["level"] == "ok")
        if one["level"] != "ok":
            found.setdefault(one["subject"], []).append(one)
    return found


def found_one(service: Service, subject: str, *, status: int = 1) -> str:
    """Return the one thing that is wrong there, and what to do."""
    (one,) = findings(service, status=status)[subject]
    assert one["level"] == ("problem" if status else "warning")
    return f"{one['what']} {one['remedy']}"


def test_a_sound_installation(start_service: StartService) -> None:
    service = start_service(**GOOD)
    Agent(service).connect(service.user(), "github")
    found = findings(service, status=0)
    assert found.keys() - {"roles"} == {"cookies"}, found  # plain http on loopback; the tests' superuser
    text = command(service, "doctor").output
    assert "ok       github: Our credentials are good at GitHub." in text and "→" in text


def test_warnings_count_when_asked_to(start_service: StartService) -> None:
    assert command(start_service(**GOOD), "doctor", "--strict").exit_code == 1


@pytest.mark.parametrize("name", ["google", "facebook", "github", "spotify", "discord"])
def test_wrong_credentials(start_service: StartService, name: str) -> None:
    service = start_service(**{f"{name.upper()}_CLIENT_SECRET": "not-the-one-that-is-registered"})
    found = found_one(service, name)
    assert f"{name.upper()}_CLIENT_SECRET" in found and "not-the-one" not in found


def test_a_provider_that_is_away(start_service: StartService, fault: Fault) -> None:
    fault("github", "token", "status", status=502)
    assert "could not be asked" in found_one(start_service(), "github", status=0)


def test_a_provider_that_is_not_set_up(start_service: StartService) -> None:
    service = start_service(GITHUB_CLIENT_ID="", GITHUB_CLIENT_SECRET="")
    assert "github" not in findings(service, status=0)
    assert "ok       github: It is not set up" in command(service, "doctor").output


def test_a_row_that_does_not_open(start_service: StartService) -> None:
    service = start_service()
    user = service.user()
    body = {"name": "n", "type": "custom", "data": {"k": "v"}}
    id = user.call("POST", "/api/users/:username/add/connection", json=body).json()["id"]
    with service.app.app_context():
        db.session.execute(update(Connection).values(sealed=b"\x01\x02k1" + b"x" * 40))
        db.session.commit()
    assert f"connections {id}." in found_one(service, "keys")


def test_a_redis_that_is_away(start_service: StartService) -> None:
    service = start_service(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    assert "REDIS_URL" in found_one(service, "redis")


def test_a_redis_that_is_there(start_service: StartService) -> None:
    with redis_url() as url:
        assert "redis" not in findings(start_service(REDIS_URL=url), status=0)


def test_a_spool_that_takes_nothing(start_service: StartService, tmp_path: object) -> None:
    service = start_service(SPOOL_DIR=f"{tmp_path}/spool")
    with open(f"{tmp_path}/spool", "w") as file:
        file.write("a file, where a folder belongs")
    assert "SPOOL_DIR" in found_one(service, "spool")


@pytest.mark.parametrize(
    ("values", "what", "status"),
    [
        (
            {"lease_until": ago(hours=1), "attempted_at": ago(hours=1)},
            "broken off and not taken up again: 1 (spotify of ",
            1,
        ),
        ({"due_at": ago(hours=1)}, "overdue: 1 (spotify of ", 1),
        ({"failure": "outage"}, "failed: 1 (spotify of ", 0),
        ({"ended_at": ago(hours=1), "due_at": None}, "have ended: 1 (spotify of ", 0),
        ({"ends_at": ago(days=-20)}, "end within 30 days: 1 (spotify of ", 0),
    ],
    ids=["stuck", "late", "failing", "ended", "ending"],
)
def test_grants_in_trouble(
    start_service: StartService, values: dict[str, object], what: str, status: int
) -> None:
    service = start_service()
    user = service.user()
    Agent(service).connect(user, "spotify")
    change_grant(service, user, **values)
    assert f"{what}{user.username})." in found_one(service, "grants", status=status)


def test_revocations_that_wait(start_service: StartService, fault: Fault) -> None:
    service = start_service()
    user = service.user()
    Agent(service).connect(user, "github")
    fault("github", "revoke", "status", status=503)
    assert user.call("DELETE", "/api/connections/github").json()["revocation"] == "queued"
    assert "revocations" not in findings(service, status=0)
    with service.app.app_context():
        db.session.execute(update(Revocation).values(created_at=now() - timedelta(hours=2)))
        db.session.commit()
    assert "ended at their provider: 1." in found_one(service, "revocations", status=0)


def test_nobody_answers_at_the_public_url(start_service: StartService) -> None:
    service = start_service(PUBLIC_URL=f"http://127.0.0.1:{free_port()}")
    assert "PUBLIC_URL" in found_one(service, "public url", status=0)


def test_something_else_answers_at_the_public_url(start_service: StartService, sandbox: Sandbox) -> None:
    service = start_service(PUBLIC_URL=sandbox.url)
    assert "Something else answers" in found_one(service, "public url")


def test_a_redirect_uri_elsewhere(start_service: StartService) -> None:
    service = start_service(GITHUB_REDIRECT_URI="https://elsewhere.example/callback")
    assert any("elsewhere.example" in one["what"] for one in findings(service, status=0)["github"])


@pytest.mark.parametrize(
    ("uri", "what"),
    [
        ("http://localhost:{port}/nonsense", "is /nonsense, where nobody takes a callback. "),
        ("http://localhost:{port}/api/connections/spotify/callback", "/api/connections/github/callback,"),
        ("http://localhost:1/callback", "is at http://localhost:1, and PUBLIC_URL is not. "),
        ("https://localhost:{port}/callback", "is at https://localhost:{port}, and PUBLIC_URL is not. "),
    ],
)
def test_a_redirect_uri_that_nothing_comes_back_to(start_service: StartService, uri: str, what: str) -> None:
    port = str(free_port())
    service = start_service(
        PUBLIC_URL=f"http://localhost:{port}", GITHUB_REDIRECT_URI=uri.replace("{port}", port)
    )
    found = [f"{one['what']} {one['remedy']}" for one in findings(service, status=1)["github"]]
    assert any(what.replace("{port}", port) in one and "GITHUB_REDIRECT_URI" in one for one in found)


@pytest.mark.parametrize("path", ["/callback", "/api/connections/github/callback"])
def test_redirect_uris_that_are_served(start_service: StartService, path: str) -> None:
    assert "github" not in findings(start_service(GITHUB_REDIRECT_URI="{url}" + path), status=0)


def test_an_address_that_can_be_forged(start_service: StartService) -> None:
    assert "TRUSTED_PROXIES" in found_one(start_service(TRUSTED_PROXIES="1"), "proxies")


def test_the_address_is_asked_for_without_harm(start_service: StartService) -> None:
    service = start_service()
    command(service, "doctor")
    with service.app.app_context():
        assert {event.action for event in db.session.query(AuditEvent)} == {"user.login_refused"}


def test_a_database_that_does_not_answer(start_service: StartService) -> None:
    service = start_service(database_url=f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
    found = findings(service, status=1)
    assert "DATABASE_URL" in found["database"][0]["remedy"] and "keys" in found and "grants" in found


def test_two_jwt_keys(start_service: StartService) -> None:
    service = start_service()
    key = service.environ["JWT_SECRET_KEY"]
    found = found_one(start_service(JWT_SECRET_KEY=f"{'n' * 40},{key}"), "keys", status=0)
    assert "rotation" in found and key not in found
