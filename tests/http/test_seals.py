"""What a seal is bound to: whoever can write to the database cannot make a secret another's."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from app.extensions import db
from app.models import Flow, ServiceConnection
from app.oauth.flow import fingerprint
from tests.http.test_flows import assert_lost
from tests.http.test_oauth import query_of
from tests.http.test_unbound import is_connected
from tests.http.test_unreadable import UNREADABLE
from tests.support.browser import Agent
from tests.support.rows import change_grant, grant_of
from tests.support.service import Service, User

TOKEN = "/api/connections/github/token"


def change_flow(service: Service, state: str, **values: Any) -> None:
    with service.app.app_context():
        db.session.execute(update(Flow).where(Flow.key == fingerprint(state)).values(**values))
        db.session.commit()


def test_a_grant_that_is_given_to_another_user_does_not_open(
    user: User, agent: Agent, service: Service
) -> None:
    agent.connect(user, "github")
    thief, id = service.user(), grant_of(service, user).id
    change_grant(service, user, user_id=thief.id)
    with service.app.app_context():
        moved = update(ServiceConnection).where(ServiceConnection.grant_id == id).values(user_id=thief.id)
        db.session.execute(moved)
        db.session.commit()
    answer = thief.call("GET", TOKEN)
    assert (answer.status_code, answer.json()) == (500, UNREADABLE)


@pytest.mark.parametrize("column", ["account_id", "incarnation"])
def test_a_grant_that_is_said_to_be_another_does_not_open(
    user: User, agent: Agent, service: Service, column: str
) -> None:
    agent.connect(user, "github")
    before = getattr(grant_of(service, user), column)
    change_grant(service, user, **{column: "0"})
    answer = user.call("GET", TOKEN)
    assert (answer.status_code, answer.json()) == (500, UNREADABLE)
    change_grant(service, user, **{column: before})
    assert user.call("GET", TOKEN).status_code == 200


def test_a_flow_that_is_given_to_another_user_does_not_open(
    user: User, agent: Agent, service: Service
) -> None:
    url, thief = agent.start(user, "discord"), service.user()
    callback, state = agent.consent(url), query_of(url)["state"]
    change_flow(service, state, user_id=thief.id)
    assert_lost(agent.call("GET", callback), "discord")
    assert not is_connected(thief, "discord")
    change_flow(service, state, user_id=user.id)
    assert agent.call("GET", callback).status_code == 200


def test_a_flow_at_another_stage_does_not_open(user: User, agent: Agent, service: Service) -> None:
    url = agent.start(user, "discord")
    state = query_of(url)["state"]
    change_flow(service, state, stage="ticket")
    assert agent.call("GET", f"/connect/{state}").status_code == 410
    change_flow(service, state, stage="asked")
    assert agent.call("GET", agent.consent(url)).status_code == 200
