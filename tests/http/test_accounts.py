"""The service's own accounts: in and out, and what the database keeps of them."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import argon2
import pytest
import requests
from sqlalchemy import select, update

from app.extensions import db
from app.models import User
from tests.support.accounts import AUTH, fresh, post, register, status_of, with_token
from tests.support.browser import Agent
from tests.support.service import PASSWORD, Service, StartService
from tests.support.service import User as Person


def all_rows(service: Service) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every row of every table, as the database keeps it."""
    with service.app.app_context():
        for table in db.metadata.sorted_tables:
            for row in db.session.execute(select(table)).mappings():
                yield table.name, dict(row)


def test_register_answers_201_with_tokens_and_user(service: Service) -> None:
    name = fresh()
    answer = register(service, name, email=f"{name}@example.com")
    document = answer.json()
    assert answer.status_code == 201 and set(document) == {"access_token", "refresh_token", "user"}
    assert set(document["user"]) == {"id", "username", "email", "created_at"}
    assert document["user"]["username"] == name and document["user"]["email"] == f"{name}@example.com"
    assert document["user"]["created_at"].endswith("Z") and type(document["user"]["id"]) is int
    me = service.call("GET", f"{AUTH}/me", headers=with_token(document["access_token"]))
    assert me.status_code == 200 and me.json() == document["user"]


def test_login_by_username_or_email_in_any_case(service: Service, user: Person) -> None:
    names = [user.username, user.username.upper()]
    tries = [{"username": name} for name in names] + [{"email": f"{name}@example.COM"} for name in names]
    for name in tries:
        answer = post(service, "login", **name, password=PASSWORD)
        assert answer.status_code == 200 and answer.json()["user"]["id"] == user.id
        assert set(answer.json()) == {"access_token", "refresh_token", "user"}
        assert status_of(service, answer.json()["access_token"]) == 200


def test_an_email_is_found_in_any_case_and_shown_as_it_was_given(service: Service) -> None:
    name = fresh()
    assert register(service, name, email=f"{name.upper()}@Example.COM").status_code == 201
    for email in (f"{name}@example.com", f"{name.upper()}@EXAMPLE.com"):
        answer = post(service, "login", email=email, password=PASSWORD)
        assert answer.status_code == 200
        assert answer.json()["user"]["email"] == f"{name.upper()}@Example.COM"
    taken = register(service, fresh(), email=f"{name}@example.com")
    assert (taken.status_code, taken.json()["code"]) == (409, "email_taken")


@pytest.mark.parametrize("names", [{}, {"username": "a", "email": "a@example.com"}], ids=["none", "both"])
def test_login_takes_one_name(service: Service, names: dict[str, str]) -> None:
    answer = post(service, "login", **names, password=PASSWORD)
    assert answer.status_code == 400 and answer.json()["code"] == "invalid_body"


@pytest.mark.parametrize("first", ["squatter", "owner"])
def test_a_username_that_is_anothers_email_stands_in_nobodys_way(service: Service, first: str) -> None:
    email = f"{fresh()}@example.com"
    steps = {
        "squatter": lambda: register(service, email, password="the squatter's own"),
        "owner": lambda: register(service, fresh(), email=email),
    }
    ids = {who: steps[who]().json()["user"]["id"] for who in sorted(steps, key=lambda who: who != first)}
    by_email = post(service, "login", email=email, password=PASSWORD)
    by_name = post(service, "login", username=email, password="the squatter's own")
    assert (by_email.status_code, by_email.json()["user"]["id"]) == (200, ids["owner"])
    assert (by_name.status_code, by_name.json()["user"]["id"]) == (200, ids["squatter"])


def test_refresh_rotates_and_an_old_one_ends_the_login(service: Service, user: Person) -> None:
    def refresh(token: str) -> requests.Response:
        return service.call("POST", f"{AUTH}/refresh", headers=with_token(token))

    other = post(service, "login", username=user.username, password=PASSWORD).json()["access_token"]
    first = refresh(user.refresh_token)
    assert first.status_code == 200 and set(first.json()) == {"access_token", "refresh_token"}
    second = refresh(first.json()["refresh_token"])
    assert second.status_code == 200 and status_of(service, second.json()["access_token"]) == 200
    assert refresh(user.refresh_token).status_code == 401
    for token in (user.token, first.json()["access_token"], second.json()["access_token"]):
        assert status_of(service, token) == 401
    assert refresh(second.json()["refresh_token"]).status_code == 401
    assert status_of(service, other) == 200  # another login of the same user goes on


def test_logout_ends_both_tokens_of_this_login(service: Service, user: Person) -> None:
    other = post(service, "login", username=user.username, password=PASSWORD).json()["access_token"]
    assert user.call("POST", f"{AUTH}/logout").status_code == 200
    assert status_of(service, user.token) == 401
    answer = service.call("POST", f"{AUTH}/refresh", headers=with_token(user.refresh_token))
    assert answer.status_code == 401
    assert status_of(service, other) == 200


def test_a_new_password_ends_every_other_login(service: Service, user: Person) -> None:
    other = post(service, "login", username=user.username, password=PASSWORD).json()
    body = {"current_password": "not the one", "new_password": "a new password"}
    refused = user.call("PUT", f"{AUTH}/password", json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "wrong_password")
    assert status_of(service, other["access_token"]) == 200
    body["current_password"] = PASSWORD
    assert user.call("PUT", f"{AUTH}/password", json=body).status_code == 200
    assert status_of(service, user.token) == 200 and status_of(service, other["access_token"]) == 401
    headers = with_token(other["refresh_token"])
    assert service.call("POST", f"{AUTH}/refresh", headers=headers).status_code == 401
    assert post(service, "login", username=user.username, password=PASSWORD).status_code == 401
    assert post(service, "login", username=user.username, password="a new password").status_code == 200


def test_leaving_asks_for_the_password_and_removes_everything(
    service: Service, user: Person, agent: Agent
) -> None:
    body = {"name": "box", "type": "sshes", "data": {"host": "h", "username": "u", "password": "p"}}
    assert user.call("POST", "/api/users/:username/add/connection", json=body).status_code == 201
    assert agent.connect(user, "github").status_code == 200
    agent.start(user, "discord")

    def mine() -> Counter[str]:
        rows = all_rows(service)
        found = [name for name, row in rows if user.id in (row.get("user_id"), name == "users" and row["id"])]
        return Counter(found)

    kept = {"users", "logins", "connections", "grants", "service_connections", "flows", "audit_events"}
    assert set(mine()) == kept
    for refused in ({"password": "not the one"}, {}):
        assert user.call("DELETE", f"{AUTH}/me", json=refused).status_code in (400, 403)
    assert user.call("DELETE", f"{AUTH}/me").status_code in (400, 415) and set(mine()) == kept
    answer = user.call("DELETE", f"{AUTH}/me", json={"password": PASSWORD})
    assert answer.status_code == 200 and set(mine()) == {"audit_events"}
    assert status_of(service, user.token) == 401
    assert post(service, "login", username=user.username, password=PASSWORD).status_code == 401
    again = service.user(user.username)  # the name is free, and its new owner is somebody else
    assert again.id != user.id and status_of(service, user.token) == 401


@pytest.mark.usefixtures("costly_passwords")
def test_the_database_keeps_an_argon2id_hash_and_no_password(service: Service) -> None:
    name, password = fresh(), f"canary {uuid.uuid4().hex}"
    answer = register(service, name, password=password)
    post(service, "login", username=name, password=password)
    post(service, "login", username=name, password=f"{password}!")
    with service.app.app_context():
        kept = db.session.scalars(select(User.password_hash).where(User.username == name)).one()
    parameters = argon2.extract_parameters(kept)
    assert parameters.type is argon2.Type.ID and parameters.hash_len >= 32 and parameters.salt_len >= 16
    assert (parameters.memory_cost, parameters.time_cost) >= (19456, 2)
    everything = repr(list(all_rows(service)))
    assert password not in everything and answer.json()["access_token"] not in everything
    assert answer.json()["refresh_token"] not in everything


def test_a_hash_of_another_cost_is_renewed_at_the_next_login(service: Service, user: Person) -> None:
    cheap = argon2.PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)

    def kept() -> str:
        return db.session.scalars(select(User.password_hash).where(User.id == user.id)).one()

    with service.app.app_context():
        today = argon2.extract_parameters(kept())
        db.session.execute(update(User).where(User.id == user.id).values(password_hash=cheap))
        db.session.commit()
    for password, status in (("not the one", 401), (PASSWORD, 200), (PASSWORD, 200)):
        assert post(service, "login", username=user.username, password=password).status_code == status
        with service.app.app_context():
            renewed = kept()
            assert (renewed != cheap) is (status == 200)
    assert argon2.extract_parameters(renewed) == today


def test_accounts_can_be_switched_off(start_service: StartService) -> None:
    on = start_service()
    user = on.user()
    off = start_service(database_url=on.environ["DATABASE_URL"], ACCOUNTS_ENABLED="false")
    for method, path in (("POST", "register"), ("POST", "login"), ("POST", "refresh"), ("GET", "me")):
        answer = off.call(method, f"{AUTH}/{path}", headers=user.headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert off.call("GET", "/api/connections", headers=user.headers).status_code == 200
