"""What is stored at a start, and what is not: for whoever may not begin, nothing happens."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from app.extensions import db
from app.models import Flow, now
from app.services import services
from tests.http.test_standing import Change, disable, remove, sign_out
from tests.support.browser import Agent
from tests.support.service import Service, StartService, User

pytestmark = pytest.mark.usefixtures("company")

WAYS = [
    ("GET", "/api/connections/github"),
    ("POST", "/api/connections/spotify"),
    ("POST", "/api/connections/github/authorize"),
    ("GET", "/api/user/connection/access/github"),
]
OF_WAYS = pytest.mark.parametrize(("method", "path"), WAYS)
WITH_ENDED = pytest.mark.parametrize("ended", [False, True], ids=["none ended", "some ended"])


def flows_of(service: Service, user: User) -> set[str]:
    with service.app.app_context():
        return set(db.session.scalars(select(Flow.key).where(Flow.user_id == user.id)))


def end_flows(service: Service, user: User, stage: str = "asked") -> None:
    with service.app.app_context():
        mine = update(Flow).where(Flow.user_id == user.id)
        db.session.execute(mine.values(expires_at=now() - timedelta(seconds=1), stage=stage))
        db.session.commit()


def offer(service: Service, enabled: bool) -> None:
    with service.app.app_context():
        for name in ("github", "spotify"):
            services.set_enabled(name=name, enabled=enabled)


@OF_WAYS
def test_a_users_ended_flows_make_room(service: Service, user: User, method: str, path: str) -> None:
    assert user.call(method, path).status_code in (200, 302)
    before = flows_of(service, user)
    end_flows(service, user)
    assert user.call(method, path).status_code in (200, 302)
    assert before and not before & flows_of(service, user)


def test_an_answer_that_waits_for_its_end_stays(service: Service, user: User) -> None:
    user.call("GET", "/api/connections/github")
    before = flows_of(service, user)
    end_flows(service, user, stage="answered")
    user.call("GET", "/api/connections/github")
    assert before < flows_of(service, user)


@OF_WAYS
@WITH_ENDED
@pytest.mark.parametrize("end", [sign_out, disable, remove])
def test_whoever_no_longer_stands_begins_nothing_and_ends_nothing(
    service: Service, user: User, end: Change, ended: bool, method: str, path: str
) -> None:
    user.call(method, path)
    if ended:
        end_flows(service, user)
    before = flows_of(service, user)
    end(user)
    answer = user.call(method, path)
    assert answer.status_code == 401 and "Set-Cookie" not in answer.headers
    assert flows_of(service, user) == (set() if end is remove else before)


@OF_WAYS
@WITH_ENDED
def test_a_service_that_is_off_begins_nothing_and_ends_nothing(
    start_service: StartService, ended: bool, method: str, path: str
) -> None:
    service = start_service()
    user = service.user()
    user.call(method, path)
    if ended:
        end_flows(service, user)
    before = flows_of(service, user)
    offer(service, enabled=False)
    answer = user.call(method, path)
    assert (answer.status_code, answer.json()["code"]) == (404, "service_not_found")
    assert "Set-Cookie" not in answer.headers and flows_of(service, user) == before
    sign_out(user)
    assert user.call(method, path).status_code == 401
    offer(service, enabled=True)


def test_one_browsers_flows_are_no_matter_of_anothers(service: Service, user: User) -> None:
    first, second = Agent(service), Agent(service)
    for agent in (first, second):
        for _ in range(12):
            agent.start(user, "spotify")
    assert len(flows_of(service, user)) == 20


def test_the_service_is_judged_before_the_address_to_return_to(start_service: StartService) -> None:
    service = start_service(GITHUB_CLIENT_ID="", GITHUB_CLIENT_SECRET="")
    user, query = service.user(), "?return_to=https%3A%2F%2Fevil.example%2F"

    def code(name: str) -> str:
        return str(user.call("GET", f"/api/connections/{name}{query}").json()["code"])

    assert [code("github"), code("spotify")] == ["service_not_configured", "return_to_not_allowed"]
    offer(service, enabled=False)
    assert [code("github"), code("spotify")] == ["service_not_found"] * 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_start_refuses_in_its_own_words(service: Service, user: User, method: str) -> None:
    """A token that was good a moment ago as one that never was, in the header or in the query."""
    path = "/api/connections/github"
    assert user.call(method, path).status_code == 302
    sign_out(user)
    expected = {"error": "Invalid token", "code": "start_token_invalid"}
    assert user.call(method, path).json() == expected
    assert service.call(method, f"{path}?token={user.token}").json() == expected
    assert user.call(method, f"{path}?replace=maybe").json() == expected
