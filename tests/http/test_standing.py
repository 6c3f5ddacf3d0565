"""Views that ask by their own statements whether the caller still stands: whoever does not gets nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from app.extensions import db
from app.http import marks
from app.models import User as UserRow
from app.services import accounts, services
from tests.support.service import Service, StartService, User
from tests.support.tokens import claims_of, forge

Change = Callable[[User], None]  # of what a user is

SSH = {"name": "n", "type": "sshes", "data": {"host": "h", "username": "u", "password": "p"}}


def confirming(service: Service) -> list[tuple[str, str]]:
    """Return the method and the path of every view that confirms its caller by itself; ids are 1."""
    found = []
    for rule in service.app.url_map.iter_rules():
        if marks.of(service.app.view_functions[rule.endpoint]).confirms:
            path = rule.rule.replace("<username>", ":username").replace("<row_id:id>", "1")
            found += [(method, path) for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}]
    return sorted(found)


def ask(user: User, token: str, method: str, path: str) -> Any:
    body = SSH if method == "POST" else None
    return user.call(method, path, json=body, headers={"Authorization": f"Bearer {token}"})


def sign_out(user: User) -> None:
    assert user.call("POST", "/api/auth/logout").status_code == 200


def disable(user: User) -> None:
    with user.service.app.app_context():
        accounts.set_disabled(username=user.username, disabled=True)


def remove(user: User) -> None:
    with user.service.app.app_context():
        accounts.remove_named(username=user.username)


def rename(user: User) -> None:
    """As a host application does whose user has another name now."""
    with user.service.app.app_context():
        renaming = update(UserRow).where(UserRow.id == user.id)
        db.session.execute(renaming.values(username_key=f"not-{user.username}"))
        db.session.commit()


def test_there_are_such_views(service: Service) -> None:
    asked = confirming(service)
    assert ("GET", "/api/users/:username/get/connection/1") in asked
    assert all(path.startswith("/api/") for _, path in asked)


@pytest.mark.parametrize("end", [sign_out, disable, remove])
def test_whoever_no_longer_stands_gets_what_a_bad_token_gets(service: Service, end: Change) -> None:
    for method, path in confirming(service):
        user = service.user()
        assert user.call("POST", "/api/users/:username/add/connection", json=SSH).status_code == 201
        before = ask(user, user.token, method, path)
        assert before.status_code != 401, path
        end(user)
        bad = ask(user, forge(claims_of(user.id), key="x" * 48), method, path)
        after = ask(user, user.token, method, path)
        assert (after.status_code, after.json()) == (401, bad.json()), path
        assert after.headers["WWW-Authenticate"] == "Bearer"


def test_a_token_that_names_no_login_lasts_as_long_as_its_user(service: Service) -> None:
    user = service.user()
    token = forge(claims_of(user.id))
    assert [ask(user, token, "GET", "/api/connections").status_code for _ in range(2)] == [200, 200]
    sign_out(user)
    assert ask(user, token, "GET", "/api/connections").status_code == 200
    disable(user)
    assert ask(user, token, "GET", "/api/connections").status_code == 401


def test_a_login_of_another_user_is_none(service: Service) -> None:
    user, other = service.user(), service.user()
    sid = claims_of(other.id) | {"sid": "0" * 32}
    assert ask(user, forge(sid), "GET", "/api/connections").status_code == 401


def test_a_new_name_is_known_at_the_next_request(service: Service) -> None:
    user = service.user()
    path = "/api/users/:username/get/connections"
    assert user.call("GET", path).status_code == 200
    rename(user)
    assert user.call("GET", path).status_code == 403
    new = user.call("GET", f"/api/users/not-{user.username}/get/connections")
    assert new.status_code == 200


def test_what_is_not_there_is_told_to_those_who_stand_alone(service: Service) -> None:
    user = service.user()
    for id in ("0", "999999999", "nothing"):
        path = f"/api/users/:username/get/connection/{id}"
        assert user.call("GET", path).status_code == 404
    sign_out(user)
    assert user.call("GET", "/api/users/:username/get/connection/nothing").status_code == 401


def test_another_users_name_tells_nothing_to_whoever_left(service: Service) -> None:
    user, other = service.user(), service.user()
    path = f"/api/users/{other.username}/get/connections"
    assert user.call("GET", path).status_code == 403
    sign_out(user)
    assert user.call("GET", path).status_code == 401


def test_the_list_of_no_services_is_empty_for_those_who_stand_alone(start_service: StartService) -> None:
    service = start_service()
    user, path = service.user(), "/api/connections"
    with service.app.app_context():
        for row in services.all_rows():
            services.set_enabled(name=row.name, enabled=False)
    assert user.call("GET", path).json() == {"connections": []}
    sign_out(user)
    assert user.call("GET", path).status_code == 401


@pytest.mark.parametrize(
    "path", ["/api/connections/github/token?min_ttl=x", "/api/users/:username/connection/gettoken"]
)
def test_what_cannot_be_read_is_refused_to_those_who_stand_alone(user: User, path: str) -> None:
    method, sent = ("GET", None) if "?" in path else ("POST", b"{")
    assert user.call(method, path, data=sent).status_code in (400, 415)
    sign_out(user)
    assert user.call(method, path, data=sent).status_code == 401
