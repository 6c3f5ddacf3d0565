"""What the database is asked, and that an index answers it, however many rows there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from app.extensions import db, vault
from app.models import (
    Grant,
    Tokens,
)
from app.providers import PROVIDERS
from app.services import clearing, ending, leases, sparing, warning
from tests.support.browser import Agent
from tests.support.crowd import LARGE
from tests.support.filling import fill
from tests.support.service import Service
from tests.support.statements import Asked, noted, plan_of, walked_through
from tests.support.tokens import claims_of, forge

HOLDERS = {1: 1, 1 + len(PROVIDERS): 50}  # users that keep so many connections beside those of the filling


DUE: dict[str, Callable[[], object]] = {
    "renewals": lambda: [leases.take_due(provider) for provider in PROVIDERS],
    "ended": clearing.clear,
    "unconfirmed": sparing.end_next_unconfirmed,
    "warnings": warning.warn_next,
    "revocations": ending.retry_next,
}


@pytest.mark.parametrize("what", DUE)
def test_what_is_due_is_found_by_an_index(crowded: Service, what: str) -> None:
    with noted(crowded.app) as asked, crowded.app.app_context():
        DUE[what]()
        db.session.rollback()
    assert asked
    assert_indexed(crowded, asked)


OWN = "/api/users/crowded-{user}"

# What is asked often, and how many statements it takes on SQLite and on PostgreSQL: there, the event of some
# disclosures is committed along with what is read.
HOT: dict[str, tuple[str, str, Any, int, int]] = {
    "a connection": ("GET", f"{OWN}/get/connection/{{id}}", None, 2, 1),
    "a token": ("GET", "/api/connections/{service}/token", None, 2, 1),
    "the services": ("GET", "/api/connections", None, 1, 1),
    "the connections": ("GET", f"{OWN}/get/connections", None, 1, 1),
    "a legacy token": ("POST", f"{OWN}/connection/gettoken", {"name": "mine", "token_type": "git"}, 2, 2),
    "the legacy tokens": ("GET", f"{OWN}/connection/gettokens", None, 2, 2),
}


@pytest.fixture(scope="module")
def holders(crowded: Service) -> dict[int, int]:
    """Return one connection of each user that has some, beside a legacy token and a grant that opens."""
    found = {user: fill(crowded.app, [user], count)[-1] for user, count in HOLDERS.items()}
    body = {"name": "mine", "token_type": "git", "token": "t"}
    for user in HOLDERS:
        path = f"{OWN}/connections/addtoken".format(user=user)
        assert crowded.call("POST", path, json=body, headers=_headers(user)).status_code == 201
    with crowded.app.app_context():
        for user in HOLDERS:
            db.session.get_one(Grant, user).seal(vault, Tokens("access", "refresh"))
        db.session.commit()
    return found


@pytest.mark.parametrize("what", HOT)
def test_what_is_asked_often_takes_few_statements_through_an_index(
    crowded: Service, holders: dict[int, int], what: str
) -> None:
    method, path, body, *counts = HOT[what]
    count = counts[_is_postgresql(crowded)]
    for user, id in holders.items():
        service = PROVIDERS[user % len(PROVIDERS)].service.name
        asked_for = path.format(user=user, id=id, service=service)
        headers = _headers(user)
        assert crowded.call(method, asked_for, json=body, headers=headers).status_code == 200
        with noted(crowded.app) as asked:
            assert crowded.call(method, asked_for, json=body, headers=headers).status_code == 200
        assert len(asked) == count, [statement for statement, _ in asked]
        assert_indexed(crowded, asked)


def test_a_callback_takes_few_statements(service: Service) -> None:
    user, agent = service.user(), Agent(service)
    callback = agent.consent(agent.start(user, "spotify"))
    with noted(service.app) as asked:
        assert agent.call("GET", callback).status_code == 200
    assert len(asked) == (5 if _is_postgresql(service) else 8), [statement for statement, _ in asked]


def test_the_next_one_due_is_found_without_reading_the_others(sqlite_service: Service) -> None:
    """Also by a SQLite that nobody has let count its rows, as no operator does."""
    with noted(sqlite_service.app) as asked, sqlite_service.app.app_context():
        leases.take_due(PROVIDERS[0])
    [plan] = [plan_of(sqlite_service.app, one) for one in asked]
    assert "ix_grants_provider_due_at (provider=? AND due_at<?)" in plan and "TEMP B-TREE" not in plan


def assert_indexed(service: Service, asked: Sequence[Asked]) -> None:
    for statement in asked:
        plan = plan_of(service.app, statement)
        assert not any(walked_through(plan, table) for table in LARGE), f"{statement[0]}\n{plan}"


def _headers(user: int) -> dict[str, str]:
    return {"Authorization": f"Bearer {forge(claims_of(user))}"}


def _is_postgresql(service: Service) -> bool:
    with service.app.app_context():
        return db.engine.dialect.name == "postgresql"
