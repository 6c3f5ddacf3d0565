"""What a new token answer keeps of the old grant, and what it does not."""

from __future__ import annotations

from app.providers import provider_named
from tests.support.browser import Agent
from tests.support.providers import Fault
from tests.support.rows import grant_of, tokens_of
from tests.support.service import Service, User


def test_an_answer_without_a_refresh_token_keeps_the_old_one(
    user: User, agent: Agent, service: Service, fault: Fault
) -> None:
    agent.connect(user, "spotify")
    _, refresh_token = tokens_of(service, user, provider_named("spotify"))
    account_id = grant_of(service, user).account_id
    fault("spotify", "token", "json", status=200, body={"access_token": "second", "token_type": "Bearer"})
    fault("spotify", "identity", "json", status=200, body={"account_id": account_id})
    assert agent.connect(user, "spotify").status_code == 200
    assert tokens_of(service, user, provider_named("spotify")) == ["second", refresh_token]


def test_spotifys_older_id_is_the_same_account_once(
    user: User, agent: Agent, service: Service, fault: Fault
) -> None:
    for body, kept in (
        ({"id": "old-id"}, "old-id"),
        ({"id": "old-id", "account_id": "lasting"}, "lasting"),
        ({"id": "renamed", "account_id": "lasting"}, "lasting"),
    ):
        fault("spotify", "identity", "json", status=200, body=body)
        assert agent.connect(user, "spotify").status_code == 200
        assert grant_of(service, user).account_id == kept
    fault("spotify", "identity", "json", status=200, body={"id": "old-id", "account_id": "another"})
    assert agent.connect(user, "spotify").json()["code"] == "account_mismatch"
