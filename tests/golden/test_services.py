"""What document 002 prints of all services together; each provider's part is in tests/http/test_oauth.py."""

from __future__ import annotations

import json

from tests.golden import examples
from tests.golden.replay import matches, replay, shape
from tests.support.browser import Agent
from tests.support.service import User


def test_list_services(user: User, agent: Agent) -> None:
    agent.connect(user, "gmail")
    connected, free = json.loads(examples.LIST_SERVICES.response)["connections"]
    answer = replay(user, examples.LIST_SERVICES)
    assert answer.status_code == 200 and set(answer.json()) == {"connections"}
    listed = {row["service_name"]: row for row in answer.json()["connections"]}
    at = listed["gmail"]["connected_at"]
    assert shape(at) == shape(connected["connected_at"])
    assert listed["gmail"] == {**connected, "connected_at": at}
    assert listed["facebook"] == {**free, "service_id": 4}  # Drive, which the example leaves out, has the 3


def test_reset(user: User, agent: Agent) -> None:
    for service in ("gmail", "github", "spotify"):
        agent.connect(user, service)
    assert matches(replay(user, examples.RESET), examples.RESET)
    assert replay(user, examples.RESET).json()["disconnected_count"] == 0
