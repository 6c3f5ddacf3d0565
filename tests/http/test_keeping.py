"""What a new token answer keeps of the old grant, and what it does not."""

from __future__ import annotations

import pytest

from app.providers import provider_named
from tests.support.browser import Agent
from tests.support.providers import Fault
from tests.support.rows import ago, grant_of, tokens_of
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


@pytest.mark.parametrize("long", ["1" * 300, 10**299], ids=["text", "number"])
def test_an_id_that_is_longer_than_its_column_is_cut(
    user: User, agent: Agent, service: Service, fault: Fault, long: str | int
) -> None:
    """The same on both databases: only one of them minds."""
    for _ in range(2):  # the second time it is the same account
        fault("discord", "identity", "json", status=200, body={"id": long, "username": "u" * 300})
        assert agent.connect(user, "discord").status_code == 200
    found = grant_of(service, user)
    assert (found.account_id, found.account_label) == (str(long)[:255], "u" * 255)


def test_a_refresh_token_that_is_kept_keeps_its_end(
    user: User, agent: Agent, service: Service, fault: Fault
) -> None:
    first = {"access_token": "first", "refresh_token": "kept", "refresh_token_expires_in": 86400}
    for body in ({**first, "expires_in": 3600}, {"access_token": "second", "expires_in": 3600}):
        fault("discord", "token", "json", status=200, body=body)
        fault("discord", "identity", "json", status=200, body={"id": "1", "username": "one"})
        assert agent.connect(user, "discord").status_code == 200
        found = grant_of(service, user)
        assert found.refresh_expires_at is not None and found.ends_at == found.refresh_expires_at
    assert tokens_of(service, user, provider_named("discord")) == ["second", "kept"]
    assert found.refresh_expires_at < ago(days=-1), "it counts from the first answer"
