"""The audit as its owner reads it: all of what is theirs, nothing of anybody else's, page by page."""

from __future__ import annotations

import re

import pytest

from tests.support.service import Service, User

AUDIT = "/api/audit"
READ = "/api/users/:username/connection/gettokens"


def page(user: User, query: str = "") -> dict[str, object]:
    answer = user.call("GET", f"{AUDIT}{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def ids(found: dict[str, object]) -> list[int]:
    return [event["id"] for event in found["events"]]  # type: ignore[attr-defined]


def test_an_event_says_who_what_and_from_where(user: User) -> None:
    read = user.call("GET", READ)
    (event, *_) = page(user)["events"]  # type: ignore[misc]
    assert set(event) == {"id", "at", "actor", "action", "target", "detail", "address", "request_id"}
    assert re.fullmatch(r"[0-9-]{10}T[0-9:]{8}Z", event["at"])
    assert (event["actor"], event["action"]) == (f"user:{user.id}", "connection.read_all")
    assert (event["address"], event["request_id"]) == ("127.0.0.1", read.headers["X-Request-Id"])
    assert event["detail"] == "token of: none"


def test_pages_are_whole_and_do_not_overlap(service: Service, user: User) -> None:
    other = service.user()
    for _ in range(7):
        user.call("GET", READ)
        other.call("GET", READ)
    everything = ids(page(user))
    assert len(everything) == 8 and everything == sorted(everything, reverse=True)
    found, query = [], "?limit=3"
    while True:
        part = page(user, query)
        found += ids(part)
        if part["next"] is None:
            break
        assert len(ids(part)) == 3
        query = f"?limit=3&before={part['next']}"
    assert found == everything
    assert not set(found) & set(ids(page(other)))
    assert page(user, "?limit=8")["next"] is None


def test_reading_leaves_no_event(user: User) -> None:
    assert ids(page(user)) == ids(page(user))


def test_one_kind_alone(user: User) -> None:
    user.call("GET", READ)
    found = page(user, "?action=user.register")["events"]
    assert [event["action"] for event in found] == ["user.register"]  # type: ignore[attr-defined]
    assert page(user, "?action=no.such_thing") == {"events": [], "next": None}


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=201", "limit=-1", "limit=1e2", "limit=", "limit=%D9%A1", "limit=2&limit=3",
        "before=0", "before=-1", "before=9223372036854775808", "before=x", "before=1&before=2",
        "action=", "action=%00", "action=a%0Ab", "action=a.b%0A", "action=%25",
    ],
)  # fmt: skip
def test_a_query_of_no_sense_is_refused(user: User, query: str) -> None:
    answer = user.call("GET", f"{AUDIT}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_query")


def test_the_largest_id_is_one(user: User) -> None:
    assert ids(page(user, "?before=9223372036854775807")) == ids(page(user))
