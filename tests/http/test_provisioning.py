"""Unknown users of a host application, made from its claims: once, under a name of their own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from app.extensions import db
from app.models import AuditEvent, Departure
from app.models import User as UserRow
from app.services import accounts
from tests.conftest import start
from tests.http.test_forged_tokens import START_INVALID
from tests.http.test_host_tokens import check_refused, status_of
from tests.support.accounts import fresh, post, register
from tests.support.browser import Agent
from tests.support.databases import PostgresqlDatabases, SqliteDatabases
from tests.support.issuing import HostUser, add_user, by_pem, issue
from tests.support.processes import gunicorn, run
from tests.support.providers import Sandbox
from tests.support.service import PASSWORD, Service, StartService
from tests.support.tokens import claims_of, forge

ids = count(2**40)


@pytest.fixture(scope="module")
def service(
    databases: SqliteDatabases | PostgresqlDatabases,
    sandbox: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    settings = by_pem(tmp_path_factory.mktemp("keys"), PROVISION_USERS="true")
    started = start(databases.new(), sandbox, **settings)
    yield started
    started.close()


def rows(service: Service, external_id: int) -> list[UserRow]:
    with service.app.app_context():
        found = list(db.session.scalars(select(UserRow).where(UserRow.external_id == external_id)))
        db.session.expunge_all()
    return found


def events(service: Service, external_id: int) -> list[tuple[str, str, str]]:
    """Return what the audit says of this user: action, target, detail."""
    (row,) = rows(service, external_id)
    with service.app.app_context():
        mine = select(AuditEvent).where(AuditEvent.user_id == row.id).order_by(AuditEvent.id)
        return [(event.action, event.target, event.detail) for event in db.session.scalars(mine)]


def own_status(service: Service, username: str, token: str) -> int:
    """Ask for what only a caller of this name may see."""
    path = f"/api/users/{username}/get/connections"
    return service.call("GET", path, headers={"Authorization": token}).status_code


def test_an_unknown_user_is_made_once(service: Service) -> None:
    id = next(ids)
    user = HostUser(service, id, "Zoë")
    for _ in range(2):
        assert user.call("GET", "/api/users/:username/get/connections").status_code == 200
    (row,) = rows(service, id)
    assert (row.username, row.username_key, row.email) == ("Zoë", "zoë", "") and row.id != id
    assert events(service, id) == [("user.provision", "Zoë", f"user_id {id}")]


def test_such_a_user_can_do_everything(service: Service) -> None:
    user = HostUser(service, next(ids), fresh())
    body = {"name": "n", "type": "custom", "data": {"k": "v"}}
    added = user.call("POST", "/api/users/:username/add/connection", json=body)
    assert added.status_code == 201
    connected = Agent(service).connect(user, "github").json()
    assert connected["connection"]["user_id"] == user.id


def test_the_name_is_normal_as_at_registration(service: Service) -> None:
    id = next(ids)
    assert status_of(service, issue(id, username="Ame\u0301lie")) == 200
    assert rows(service, id)[0].username == "Am\u00e9lie"
    assert status_of(service, issue(id, username="Ame\u0301lie")) == 200  # which is no other name
    assert len(events(service, id)) == 1


UNFIT: list[Any] = [
    ..., None, 1, True, [], ["name"], {"name": "x"}, "", " ", "two words", "a\tb", "line\n", "a\u200bb",
    "a\u202eb", "\u2800", "a/b", "a\\b", ".", "..", "x" * 65, "\u00a0",
]  # fmt: skip


@pytest.mark.parametrize("username", UNFIT, ids=ascii)
def test_a_name_that_could_not_be_registered_makes_nobody(
    service: Service, username: Any, caplog: pytest.LogCaptureFixture
) -> None:
    id = next(ids)
    check_refused(service, issue(id, username=username), START_INVALID)
    assert rows(service, id) == []
    assert {message.split(":")[0] for message in caplog.messages} == {"USERNAME_CLAIM"}
    assert status_of(service, issue(id, username=fresh())) == 200


def test_the_claim_of_the_name_is_a_setting(start_service: StartService, tmp_path: Path) -> None:
    claim = "https://host.example.com/claims/name"
    service = start_service(**by_pem(tmp_path, PROVISION_USERS="true", USERNAME_CLAIM=claim))
    assert status_of(service, issue(1, username="wrong")) == 401
    assert own_status(service, "right", issue(1, username="wrong", **{claim: "right"})) == 200


def test_a_name_that_another_user_has_adopts_nobody(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    name = fresh()
    ours, first, second = add_user(service, name), next(ids), next(ids)
    host_name = fresh()
    assert status_of(service, issue(first, username=host_name)) == 200
    caplog.clear()
    for taken in (name, name.upper(), host_name.title()):
        check_refused(service, issue(second, username=taken), START_INVALID)
    assert rows(service, second) == []
    assert {(record.levelname, record.message[:14]) for record in caplog.records} == {
        ("ERROR", "USERNAME_CLAIM")
    }
    with service.app.app_context():
        kept = db.session.scalars(select(UserRow).where(UserRow.username == name)).one()
        assert (kept.id, kept.external_id) == (ours, None)


def test_our_own_id_means_nobody(service: Service) -> None:
    ours = add_user(service, fresh())
    name = fresh()
    assert own_status(service, name, issue(ours, username=name)) == 200
    assert rows(service, ours)[0].id != ours


def test_who_is_shut_out_stays_so(service: Service) -> None:
    id, name = next(ids), fresh()
    assert status_of(service, issue(id, username=name)) == 200
    with service.app.app_context():
        accounts.set_disabled(username=name, disabled=True)
    for claims in ({}, {"iat": time.time()}, {"username": fresh()}):
        check_refused(service, issue(id, **{"username": name, **claims}), START_INVALID)
    assert rows(service, id)[0].username == name
    with service.app.app_context():
        accounts.set_disabled(username=name, disabled=False)
    assert status_of(service, issue(id, username=name)) == 200


def test_who_was_removed_does_not_come_back_by_an_old_token(service: Service) -> None:
    id, name = next(ids), fresh()
    before = time.time()
    old = issue(id, username=name, iat=before)
    assert status_of(service, old) == 200
    former = rows(service, id)[0].id
    with service.app.app_context():
        accounts.remove_named(username=name)
    for token in (
        old,
        issue(id, username=name),
        issue(id, username=fresh(), iat=before),
        issue(id, username=name, iat=int(before)),
        issue(id, username=name, iat=1),
        issue(id, username=name, iat=True),
    ):
        check_refused(service, token, START_INVALID)
    assert rows(service, id) == []
    assert status_of(service, issue(id, username=name, iat=time.time())) == 200
    assert rows(service, id)[0].id != former
    with service.app.app_context():
        assert db.session.get(Departure, id) is None
    assert status_of(service, old) == 200  # they are known again, and this one has not expired


def test_a_name_that_changes_is_taken_over(service: Service) -> None:
    id, before, after = next(ids), fresh(), fresh()
    old, new = issue(id, username=before), issue(id, username=after)
    assert own_status(service, before, old) == 200
    assert own_status(service, after, new) == 200
    assert own_status(service, before, new) == 403
    assert rows(service, id)[0].username == after
    assert events(service, id)[1] == ("user.rename", after, f"was {before}")
    assert own_status(service, after.upper(), issue(id, username=after.upper())) == 200
    other = next(ids)  # the old name is free
    assert own_status(service, before, issue(other, username=before)) == 200


def test_a_new_name_that_is_taken_or_unfit_changes_nothing(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    id, name, taken = next(ids), fresh(), fresh()
    add_user(service, taken)
    assert status_of(service, issue(id, username=name)) == 200
    caplog.clear()
    assert own_status(service, name, issue(id, username=taken)) == 200
    assert [record.message[:14] for record in caplog.records] == ["USERNAME_CLAIM"]
    for unfit in (..., None, "two words", ""):
        assert own_status(service, name, issue(id, username=unfit)) == 200
    assert [action for action, _, _ in events(service, id)] == ["user.provision"]


def test_no_password_fits(start_service: StartService, tmp_path: Path) -> None:
    """Where accounts are switched on again, on the same database."""
    service = start_service(**by_pem(tmp_path, PROVISION_USERS="true"))
    assert status_of(service, issue(77, username="guest")) == 200
    on = start_service(database_url=service.environ["DATABASE_URL"])
    for password in ("", " ", "external", "guest", PASSWORD):
        for who in ({"username": "guest"}, {"email": "external:77"}, {"email": ""}):
            assert post(on, "login", **who, password=password).status_code in (400, 401, 429)
    assert register(on, fresh(), email="external:77").status_code == 400
    token = forge(claims_of(rows(service, 77)[0].id))
    me = on.call("GET", "/api/auth/me", headers={"Authorization": token}).json()
    assert (me["id"], me["username"], me["email"]) == (77, "guest", None)


def test_tokens_by_a_shared_secret_provision_too(start_service: StartService) -> None:
    service = start_service(PROVISION_USERS="true")
    assert service.call("POST", "/api/auth/register", json={}).status_code == 404
    assert own_status(service, "shared", forge(claims_of(7, username="shared"))) == 200
    assert rows(service, 7)[0].username == "shared"


def test_operators_see_the_hosts_id(service: Service) -> None:
    id, name = next(ids), fresh()
    status_of(service, issue(id, username=name))
    listed = run("-m", "flask", "--app", "wsgi", "users", "list", environ=service.environ)
    line = next(line for line in listed.stdout.splitlines() if name in line)
    assert line.split() == [str(id), name, "-", "active"]


def test_many_first_requests_at_once_make_one_user(service: Service) -> None:
    """In several processes, each with several threads."""
    environ = {**service.environ, "PUBLIC_URL": "http://localhost"}
    with gunicorn(environ, "-w", "2") as running:
        running.wait_for_answer()
        for _ in range(3):
            id, name = next(ids), fresh()
            headers = {"Authorization": issue(id, username=name)}
            with ThreadPoolExecutor(12) as crowd:
                asked = [crowd.submit(running.get, "/api/connections", headers=headers) for _ in range(24)]
                assert [one.result().status_code for one in asked] == [200] * 24
            assert [action for action, _, _ in events(service, id)] == ["user.provision"]


def test_two_users_who_want_one_name_at_once(service: Service) -> None:
    for _ in range(5):
        rivals, name = (next(ids), next(ids)), fresh()
        with ThreadPoolExecutor(8) as crowd:
            asked = [crowd.submit(status_of, service, issue(id, username=name)) for id in rivals * 4]
            answers = [one.result() for one in asked]
        assert sorted(answers) == [200] * 4 + [401] * 4
        assert len([row for id in rivals for row in rows(service, id)]) == 1
