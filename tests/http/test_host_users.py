"""Whom a host application's token means: whom the host knows by this id, else who has this id here."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from app.services import accounts
from tests.conftest import start
from tests.http.test_forged_tokens import START
from tests.http.test_host_tokens import status_of
from tests.support.accounts import with_token
from tests.support.browser import Agent
from tests.support.databases import PostgresqlDatabases, SqliteDatabases
from tests.support.issuing import add_user, by_pem, issue
from tests.support.providers import Sandbox
from tests.support.service import Service
from tests.support.statements import noted


@pytest.fixture(scope="module")
def service(
    databases: SqliteDatabases | PostgresqlDatabases,
    sandbox: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    """A service that takes the host's tokens, and provisions nobody."""
    started = start(databases.new(), sandbox, **by_pem(tmp_path_factory.mktemp("keys")))
    yield started
    started.close()


def test_the_hosts_id_goes_before_ours(service: Service) -> None:
    ours = add_user(service, "ours")
    assert name_of(service, ours) == "ours"
    add_user(service, "theirs", external_id=ours)
    assert name_of(service, ours) == "theirs"


def test_who_is_shut_out_is_not_taken_for_another(service: Service) -> None:
    ours = add_user(service, "bystander")
    add_user(service, "shutout", external_id=ours)
    with service.app.app_context():
        accounts.set_disabled(username="shutout", disabled=True)
    assert status_of(service, issue(ours)) == 401


def test_who_was_removed_is_not_taken_for_another(service: Service) -> None:
    ours = add_user(service, "bystander2")
    add_user(service, "removed", external_id=ours)
    with service.app.app_context():
        accounts.remove_named(username="removed")
    assert status_of(service, issue(ours, iat=time.time())) == 401


def test_our_id_of_a_user_of_the_hosts_means_nobody(service: Service) -> None:
    ours = add_user(service, "hers", external_id=987654321)
    assert status_of(service, issue(ours)) == 401
    assert name_of(service, 987654321) == "hers"


def test_callers_see_the_hosts_id(service: Service) -> None:
    add_user(service, "seen", external_id=2**53 + 1)
    token = issue(2**53 + 1)
    body = {"name": "n", "token_type": "custom", "token": "t"}
    path = "/api/users/seen/connection"
    assert service.call("POST", f"{path}s/addtoken", headers=with_token(token), json=body).status_code == 201
    listed = service.call("GET", f"{path}/gettokens", headers=with_token(token)).json()
    assert [row["UserID"] for row in listed] == [2**53 + 1]
    agent = Agent(service)
    started = agent.call("GET", START, headers=with_token(token))
    connected = agent.call("GET", agent.consent(started.headers["Location"])).json()
    assert connected["connection"]["user_id"] == 2**53 + 1


def test_it_takes_one_statement(service: Service) -> None:
    add_user(service, "quick", external_id=555)
    token = issue(555)
    assert status_of(service, token) == 200
    with noted(service.app) as asked:
        assert status_of(service, token) == 200
    assert ["external_id" in statement for statement, _ in asked] == [True, False], asked


def name_of(service: Service, user_id: int) -> str | None:
    """Return whose the token is, by the name that its path must have."""
    headers = with_token(issue(user_id))
    names = ("ours", "theirs", "hers")
    found = [
        name
        for name in names
        if service.call("GET", f"/api/users/{name}/get/connections", headers=headers).status_code == 200
    ]
    return found[0] if len(found) == 1 else None
