"""Ids of connections that are stored later: no other row has or gets one of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import update

from app.extensions import connection_ids, db, direct
from app.models import Connection, reserving
from app.models.reserving import KEPT, MANY, Ids
from tests.http.test_connections import stored
from tests.support.databases import SqliteDatabases
from tests.support.service import Service, StartService, User


@pytest.fixture
def service(sqlite: SqliteDatabases, start_service: StartService) -> Iterator[Service]:
    """On SQLite alone; what a test does is done within it."""
    service = start_service(database_url=sqlite.new())
    with service.app.app_context():
        yield service


@pytest.fixture
def user(service: Service) -> User:
    return service.user()


def test_no_two_are_the_same_and_no_connection_has_one(user: User) -> None:
    first = stored(user)
    ours, others = Ids(direct), Ids(direct)
    taken = [each.take() or 0 for _ in range(2 * MANY) for each in (ours, others)]
    taken += [stored(user), ours.take() or 0]
    assert first < min(taken) and len(set(taken)) == 4 * MANY + 2


def test_none_is_reserved_that_a_row_has_whose_id_was_not_given(user: User) -> None:
    stored(user)
    db.session.execute(update(Connection).values(id=10**6))
    db.session.commit()
    assert connection_ids.take() == 10**6 + 1


def test_what_is_left_after_a_while_is_given_to_nobody(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    at = 1000.0
    monkeypatch.setattr(reserving, "monotonic", lambda: at)
    stored(user)
    first, second = connection_ids.take(), connection_ids.take()
    assert first is not None and second == first + 1
    at += KEPT
    assert connection_ids.take() == first + MANY


def test_what_is_left_when_a_connection_is_stored_at_once_is_given_to_nobody(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reserving, "KEPT", 60.0)
    stored(user)
    reserved = connection_ids.take() or 0
    assert (stored(user), connection_ids.take()) == (reserved + MANY, reserved + MANY + 1)


def test_before_the_first_connection_none_is_reserved(user: User) -> None:
    assert connection_ids.take() is None
    assert stored(user) == 1
