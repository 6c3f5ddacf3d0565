"""The pages: whom they let in, what they change, and for whom."""

from __future__ import annotations

import re

import pytest

from app.extensions import db
from app.models import Login, now
from tests.support.browser import Agent
from tests.support.guards import GUARDS
from tests.support.service import PASSWORD, Service, StartService
from tests.support.visitors import Visitor, proof_of, text_of, visitor_of

VISITED = [route for route, guard in GUARDS.items() if guard == "visitor"]
SSH = {"name": "web", "field-host": "192.0.2.7", "field-username": "ada", "field-password": "s3cret words"}


@pytest.fixture
def visitor(service: Service) -> Visitor:
    return visitor_of(service)


def path_of(route: str, id: int | str = 1) -> tuple[str, str]:
    method, rule = route.split(" ")
    rule = rule.replace("<service:service>", "github").replace("<type>", "sshes")
    return method, rule.replace("<row_id:id>", str(id))


def stored(visitor: Visitor, **fields: str) -> str:
    """Store an SSH host with the form; return the path of its page."""
    answer = visitor.fill_in("/secrets/new/sshes", **{**SSH, **fields})
    assert answer.status_code == 303, text_of(answer)
    return str(answer.headers["Location"])


@pytest.mark.parametrize("route", VISITED)
def test_whoever_is_not_signed_in_is_sent_to_sign_in(service: Service, route: str) -> None:
    method, path = path_of(route)
    answer = Agent(service, pages=True).call(method, path)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/sign-in?next=/" + path.split("/")[1])


@pytest.mark.parametrize("route", [route for route in VISITED if route.startswith("POST")])
def test_nothing_is_changed_without_a_form_of_this_browser(service: Service, route: str) -> None:
    visitor, other = visitor_of(service), visitor_of(service)
    page = stored(visitor)
    _, path = path_of(route, page.rpartition("/")[2])
    strangers = proof_of(other.call("GET", "/connections"))
    for form in ({}, {"proof": ""}, {"proof": strangers}):
        answer = visitor.call("POST", path, data=form)
        assert answer.status_code == 403 and "out of date" in text_of(answer), (path, form)
    assert (
        visitor.call("GET", page).status_code == 200
        and visitor.call("GET", "/connections").status_code == 200
    )


@pytest.mark.parametrize("route", [route for route in VISITED if "<row_id:id>" in route])
def test_anothers_secret_is_as_one_that_is_not_there(service: Service, route: str) -> None:
    visitor, other = visitor_of(service), visitor_of(service)
    page = stored(other)
    form = {"proof": proof_of(visitor.call("GET", "/secrets")), "name": "stolen"}
    texts = []
    for id in (page.rpartition("/")[2], 2**40, 0, "+1"):
        method, path = path_of(route, id)
        answer = visitor.call(method, path, data=form if method == "POST" else None)
        assert answer.status_code == 404, path
        texts.append(text_of(answer))
    assert len(set(texts)) == 1
    assert "web" in text_of(other.call("GET", page))


def test_a_form_of_one_user_does_nothing_under_another(service: Service) -> None:
    """Two tabs of one browser: somebody else has signed in meanwhile in the other one."""
    visitor, other = visitor_of(service), service.user()
    page = stored(visitor)
    old = visitor.call("GET", f"{page}/delete")
    visitor.send("/sign-out", old)
    assert visitor.sign_in(other.username).status_code == 303
    assert visitor.send(f"{page}/delete", old).status_code == 403


def test_signing_in_by_either_name_leads_to_the_page_that_was_wanted(service: Service) -> None:
    user = service.user()
    for name in (user.username, user.username.upper(), f"{user.username}@example.com"):
        agent = Agent(service, pages=True)
        wanted = agent.call("GET", "/secrets/new/smtp").headers["Location"]
        page = agent.call("GET", wanted)
        answer = agent.call(
            "POST", wanted, data={"proof": proof_of(page), "name": name, "password": PASSWORD}
        )
        assert (answer.status_code, answer.headers["Location"]) == (303, "/secrets/new/smtp")
        assert user.username in agent.call("GET", "/connections").text


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example", "//evil.example", "/\\evil.example", "/api/auth/me", "/connections@evil.example",
     "/connections/../api", "javascript:alert(1)", "/secrets\r\nX: y", "/nowhere"],
)  # fmt: skip
def test_signing_in_leads_to_pages_of_ours_alone(service: Service, wanted: str) -> None:
    visitor = visitor_of(service)
    visitor.session.cookies.clear()
    page = visitor.call("GET", "/sign-in", params={"next": wanted})
    form = {"proof": proof_of(page), "name": visitor.user.username, "password": PASSWORD}
    answer = visitor.call("POST", "/sign-in", params={"next": wanted}, data=form)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/connections")


def test_a_wrong_password_is_told_on_the_form_and_keeps_the_name(service: Service) -> None:
    user = service.user()
    agent = Agent(service, pages=True)
    page = agent.call("GET", "/sign-in")
    form = {"proof": proof_of(page), "name": user.username, "password": "not the password"}
    answer = agent.call("POST", "/sign-in", data=form)
    assert answer.status_code == 401 and "Invalid username or password" in text_of(answer)
    assert f'value="{user.username}"' in answer.text and "not the password" not in answer.text
    nobody = agent.call("POST", "/sign-in", data={**form, "name": "nobody at all"})
    assert text_of(nobody).replace("nobody at all", user.username) == text_of(answer)


def test_a_sign_in_form_of_another_site_signs_nobody_in(service: Service) -> None:
    """Or an attacker could have a victim store their secrets under the attacker's name."""
    user, agent = service.user(), Agent(service, pages=True)
    for form in ({}, {"proof": "x"}):
        body = {"name": user.username, "password": PASSWORD, **form}
        assert agent.call("POST", "/sign-in", data=body).status_code == 403
    assert agent.call("GET", "/connections").status_code == 303


def test_registering_tells_field_by_field_what_does_not_fit(service: Service) -> None:
    agent = Agent(service, pages=True)
    page = agent.call("GET", "/register")
    form = {"proof": proof_of(page), "username": "two words", "email": "none", "password": "short"}
    answer = agent.call("POST", "/register", data=form)
    assert answer.status_code == 400
    assert len(re.findall('aria-invalid="true"', answer.text)) == 3
    taken = agent.call(
        "POST", "/register",
        data={**form, "username": service.user().username, "email": "a@example.com", "password": PASSWORD},
    )  # fmt: skip
    assert taken.status_code == 409 and "This username is taken" in text_of(taken)


def test_the_session_has_another_id_after_the_sign_in(service: Service) -> None:
    agent = Agent(service, pages=True)
    page = agent.call("GET", "/sign-in")
    before = agent.session.cookies["latchkey"]
    form = {"proof": proof_of(page), "name": service.user().username, "password": PASSWORD}
    assert agent.call("POST", "/sign-in", data=form).status_code == 303
    assert agent.session.cookies["latchkey"] != before
    stranger = Agent(service, pages=True)
    stranger.session.cookies.set("latchkey", before)
    assert stranger.call("GET", "/connections").status_code == 303


def test_signing_out_ends_it_for_a_copied_cookie_too(visitor: Visitor, service: Service) -> None:
    copied = Agent(service, pages=True)
    copied.session.cookies.update(visitor.session.cookies)
    assert copied.call("GET", "/connections").status_code == 200
    assert visitor.fill_in("/connections", "/sign-out").headers["Location"] == "/"
    assert visitor.call("GET", "/connections").status_code == 303
    assert copied.call("GET", "/connections").status_code == 303


def test_a_sign_in_ends_with_a_new_password_a_disabled_user_and_its_time(service: Service) -> None:
    visitors = [visitor_of(service) for _ in range(3)]
    changed, disabled, late = visitors
    body = {"current_password": PASSWORD, "new_password": "another correct horse"}
    assert changed.user.call("PUT", "/api/auth/password", json=body).status_code == 200
    runner = service.app.test_cli_runner()
    assert runner.invoke(args=["users", "disable", disabled.user.username]).exit_code == 0
    with service.app.app_context():
        for login in db.session.query(Login).where(Login.user_id == late.user.id):
            login.expires_at = now()
        db.session.commit()
    assert [one.call("GET", "/connections").status_code for one in visitors] == [303, 303, 303]


def test_the_cookie_of_the_pages_opens_nothing_of_the_api(visitor: Visitor) -> None:
    path = f"/api/users/{visitor.user.username}/get/connections"
    for method, url in (("GET", path), ("GET", "/api/connections"), ("DELETE", "/api/connections/reset")):
        assert visitor.call(method, url).status_code == 401


def test_where_there_are_no_accounts_nobody_signs_in_here(start_service: StartService) -> None:
    service = start_service(PROVISION_USERS="true")
    agent = Agent(service, pages=True)
    for path in ("/", "/sign-in"):
        page = agent.call("GET", path)
        assert page.status_code == 200 and "the application that brought you here" in text_of(page)
        assert "<form" not in page.text
    assert agent.call("GET", "/register").status_code == 404
    for path in ("/sign-in", "/register"):
        assert agent.call("POST", path).status_code == 404


def test_the_front_page_begins_no_session(service: Service) -> None:
    assert "Set-Cookie" not in Agent(service, pages=True).call("GET", "/").headers


def test_pages_are_counted_by_their_visitor(start_service: StartService) -> None:
    service = start_service(
        RATELIMIT_ENABLED="true", RATELIMIT_SECRETS="2/minute", RATELIMIT_DEFAULT="60/minute"
    )
    visitor = visitor_of(service)
    page = stored(visitor)
    statuses = [visitor.fill_in(page, f"{page}/reveal").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    other = visitor_of(service)
    theirs = stored(other)
    assert other.fill_in(theirs, f"{theirs}/reveal").status_code == 200
