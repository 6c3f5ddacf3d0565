"""What a blueprint has beyond a mount: the host's hooks run, and the context of the very request is there."""

from __future__ import annotations

import pytest
from flask import Blueprint, Flask, g, request

from app.hosting import latchkey_blueprint
from config import Config, ConfigError
from tests.hosting.conftest import StartHosted
from tests.support.browser import Agent
from tests.support.hosts import PREFIX, Way, as_blueprint
from tests.support.service import User
from tests.support.settings import base_settings


@pytest.fixture(scope="package")
def way() -> Way:
    return as_blueprint


def new_blueprint() -> Blueprint:
    config = Config.from_env({**base_settings(), "DATABASE_URL": "sqlite://"})
    return latchkey_blueprint(config, url_prefix=PREFIX)


def test_a_hook_that_reads_the_body_leaves_it(start_hosted: StartHosted) -> None:
    service, read = start_hosted(), []
    service.host.before_request(lambda: read.append(request.get_data()))
    assert User(service, "read").username.encode() in read[0]


def test_a_hook_that_takes_the_form_leaves_it(start_hosted: StartHosted) -> None:
    service, taken = start_hosted(), []
    service.host.before_request(lambda: taken.append(request.form.get("proof")))
    user, browser = service.user(), Agent(service, pages=True)
    told = user.call("POST", "/api/connections/github/authorize").json()
    page = browser.call("GET", told["connect_url"])
    assert browser.submit(page).status_code == 303
    assert taken[-1] and f'value="{taken[-1]}"' in page.text


def test_a_hook_may_keep_people_out(start_hosted: StartHosted) -> None:
    service = start_hosted()
    service.host.before_request(lambda: ("closed", 503) if request.blueprint == "latchkey" else None)
    assert service.call("GET", "/healthz").text == "closed"
    assert service.at_host("GET", "/me").status_code == 200


def test_the_loader_finds_what_a_hook_found(start_hosted: StartHosted) -> None:
    service = start_hosted(
        user_loader=lambda: {"user_id": g.person.id, "username": f"{g.person.name}-{request.endpoint}"},
        PROVISION_USERS="true",
    )
    browser = service.browser("lena")
    assert browser.get(f"{service.url}/visitor", timeout=30).json()["username"] == "lena-latchkey.passed_on"


def test_it_is_registered_where_it_was_made_for() -> None:
    with pytest.raises(ConfigError, match="at /latchkey"):
        Flask("host").register_blueprint(new_blueprint(), url_prefix="/elsewhere")
    outer = Blueprint("outer", __name__, url_prefix="/outer")
    outer.register_blueprint(new_blueprint())
    with pytest.raises(ConfigError, match="at /latchkey"):
        Flask("host").register_blueprint(outer)
