"""Who is signed in at the host: asked there, told by its session, and judged as one of its tokens."""

from __future__ import annotations

from typing import Any

import pytest
from flask import request

from app import create_app
from app.errors import TokenInvalid
from app.services import accounts, bearer
from config import Config, ConfigError
from tests.hosting.conftest import StartHosted
from tests.support.hosts import Hosted
from tests.support.settings import base_settings
from tests.support.tokens import claims_of, forge

PATH = "/visitor"


def visitor(service: Hosted, browser: Any) -> Any:
    return browser.get(service.url + PATH, timeout=30)


def test_the_hosts_session_tells(guested: Hosted) -> None:
    lena, omar = guested.browser("lena"), guested.browser("omar")
    assert visitor(guested, lena).json()["username"] == "lena"
    assert visitor(guested, omar).json()["username"] == "omar"
    assert visitor(guested, lena).json()["id"] != visitor(guested, omar).json()["id"]
    assert guested.call("GET", PATH).json() == {"username": None, "id": None}


def test_the_hosts_token_means_the_same_person(guested: Hosted) -> None:
    id = visitor(guested, guested.browser("dual")).json()["id"]
    headers = {"Authorization": f"Bearer {forge(claims_of(id, username='dual'))}"}
    answer = guested.call("GET", "/api/users/dual/get/connections", headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"connections": []})


def test_no_cookie_opens_the_api(guested: Hosted) -> None:
    browser = guested.browser("cookie")
    assert visitor(guested, browser).status_code == 200
    for path in ("/api/connections", "/api/users/cookie/get/connections", "/api/connections/github"):
        assert browser.get(guested.url + path, timeout=30).status_code == 401


def test_who_is_shut_out_here_stays_out(guested: Hosted) -> None:
    browser = guested.browser("barred")
    assert visitor(guested, browser).status_code == 200
    with guested.app.app_context():
        accounts.set_disabled(username="barred", disabled=True)
    assert visitor(guested, browser).json()["code"] == "token_invalid"


def test_the_loader_sees_the_request_as_the_host_does(start_hosted: StartHosted) -> None:
    service = start_hosted(
        user_loader=lambda: {
            "user_id": 7,
            "username": f"{request.script_root}|{request.path}".replace("/", "_"),
        },
        PROVISION_USERS="true",
    )
    assert service.call("GET", PATH).json()["username"] == "|_latchkey_visitor"


def test_without_a_loader_nobody_is_known(service: Hosted) -> None:
    assert visitor(service, service.browser("nobody")).json() == {"username": None, "id": None}


def test_a_loader_that_fails_is_an_error_of_ours(start_hosted: StartHosted) -> None:
    service = start_hosted(user_loader=lambda: {}[0], PROVISION_USERS="true")
    answer = service.call("GET", PATH)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")


@pytest.mark.parametrize("user_id", [True, "7", 7.0, None, 0, -1, 2**63, ...])
def test_a_user_id_is_an_integer_in_range(guested: Hosted, user_id: Any) -> None:
    said = {"username": "odd"} if user_id is ... else {"user_id": user_id, "username": "odd"}
    with guested.app.app_context(), pytest.raises(TokenInvalid):
        bearer.hosted(said)


def test_a_person_is_known_again_and_renamed(guested: Hosted) -> None:
    id = 2**62
    with guested.app.app_context():
        first = bearer.hosted({"user_id": id, "username": "Before"})
        again = bearer.hosted({"user_id": id, "username": "After"})
        nameless = bearer.hosted({"user_id": id})
    assert (first.shown_id, first.username, first.login_id) == (id, "Before", None)
    assert (again.user_id, again.username, nameless.username) == (first.user_id, "After", "After")


def test_nobody_is_made_where_that_is_not_asked_for(start_hosted: StartHosted) -> None:
    service = start_hosted(user_loader=lambda: {"user_id": 7, "username": "new"}, ACCOUNTS_ENABLED="false")
    assert service.call("GET", PATH).status_code == 401


def test_the_hosts_ids_are_not_taken_for_ours() -> None:
    """A person of the host's with the number of an account of ours would be let into it."""
    config = Config.from_env({**base_settings(), "DATABASE_URL": "sqlite://"})
    with pytest.raises(ConfigError, match=r"ACCOUNTS_ENABLED: .+ set it to false"):
        create_app(config, user_loader=lambda: None)


@pytest.mark.parametrize(
    "path", ["latchkey", "/latchkey/", "/", "//x", "/a//b", "/a b", "/a?b", "/a#b", "/<x>", "/../a", "/é"]
)
def test_a_mount_is_a_plain_path(path: str) -> None:
    config = Config.from_env({**base_settings(), "DATABASE_URL": "sqlite://"})
    with pytest.raises(ConfigError, match="mounted_at: set it to a path such as /latchkey"):
        create_app(config, mounted_at=path)
