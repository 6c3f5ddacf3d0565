"""The audit on the command line: everybody's events, and the end of old ones."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from app.extensions import db
from app.models import AuditEvent, now
from app.services import pruning
from tests.cli.test_cli import NEW, NOBODY, command
from tests.support.service import Service, StartService, User

READ = "/api/users/:username/connection/gettokens"


def listed(service: Service, *words: str) -> list[dict[str, object]]:
    done = command(service, "audit", *words, "--json")
    assert done.exit_code == 0, done.output
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def make_older(service: Service, user: User, days: int) -> None:
    with service.app.app_context():
        mine = update(AuditEvent).where(AuditEvent.user_id == user.id)
        db.session.execute(mine.values(at=now() - timedelta(days=days)))
        db.session.commit()


def test_a_users_events(service: Service, user: User) -> None:
    user.call("GET", READ)
    found = listed(service, "--user", user.username.upper())
    assert [event["action"] for event in found] == ["connection.read_all", "user.register"]
    assert listed(service, "--user", user.username, "--limit", "1") == found[:1]
    assert listed(service, "--user", user.username, "--action", "user.register") == found[1:]
    text = command(service, "audit", "--user", user.username).output.splitlines()
    assert len(text) == 2 and f"user:{user.id}" in text[0] and "connection.read_all" in text[0]


def test_a_command_is_the_operators_whoever_called_before_it(service: Service, user: User) -> None:
    """In one thread, as where the service is called in process."""
    assert service.app.test_client().get("/api/auth/me", headers=user.headers).status_code == 200
    command(service, "users", "reset-password", user.username, typed=f"{NEW}\n{NEW}\n")
    event = listed(service, "--user", user.username)[0]
    told = [event[name] for name in ("action", "actor", "address", "request_id")]
    assert told == ["user.password_reset", "operator", "", ""]


def test_since_a_day(service: Service) -> None:
    user = service.user()
    make_older(service, user, 10)
    user.call("GET", READ)
    day = f"{now() - timedelta(days=5):%Y-%m-%d}"
    found = listed(service, "--user", user.username, "--since", day)
    assert [event["action"] for event in found] == ["connection.read_all"]


def test_what_is_wrong_is_said(service: Service) -> None:
    assert command(service, "audit", "--user", "nobody-at-all").output == NOBODY
    for words in (("--limit", "0"), ("--since", "yesterday"), ("prune", "--days", "0")):
        done = command(service, "audit", *words)
        assert done.exit_code == 2 and "Traceback" not in done.output


def test_prune_in_batches(start_service: StartService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "BATCH", 3)
    service = start_service()
    old, young = service.user(), service.user()
    for _ in range(7):
        old.call("GET", READ)
    make_older(service, old, 31)
    make_older(service, young, 29)
    dry = command(service, "audit", "prune", "--days", "30", "--dry-run")
    assert dry.output == "8 events older than 30 days would go.\n"
    counted = command(service, "audit", "prune", "--days", "30", "--dry-run", "--json").stdout
    assert json.loads(counted) == {"events": 8, "days": 30, "dry_run": True}
    assert len(old.call("GET", "/api/audit").json()["events"]) == 8
    done = command(service, "audit", "prune", "--days", "30")
    assert (done.exit_code, done.output) == (0, "8 events older than 30 days are gone.\n")
    assert old.call("GET", "/api/audit").json()["events"] == []
    assert len(young.call("GET", "/api/audit").json()["events"]) == 1
    with service.app.app_context():
        last = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()
        assert last is not None and (last.actor, last.action) == ("operator", "audit.prune")
        assert last.detail.startswith("8 events before ")


def test_the_default_is_the_setting(start_service: StartService) -> None:
    service = start_service(AUDIT_RETENTION_DAYS="7")
    make_older(service, service.user(), 8)
    assert command(service, "audit", "prune").output == "1 events older than 7 days are gone.\n"
