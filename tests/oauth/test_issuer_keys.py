"""The keys that a host application publishes: fetched rarely, kept while it is away, gone when it says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import jwks
from app.errors import IssuerKeysUnavailable
from app.oauth import issuer_keys
from app.oauth.http1 import LARGEST
from app.oauth.issuer_keys import IssuerKeys, PublishedKeys
from tests.support.clocks import Clock
from tests.support.issuing import Publisher, jwk, jwk_set
from tests.support.serving import StandIn

FIRST, SECOND = jwk("ES256", "first"), jwk("ES256", "second")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(issuer_keys, "monotonic", clock)
    return clock


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    started = Publisher(FIRST)
    yield started
    started.close()


@pytest.fixture
def keys(publisher: Publisher, clock: Clock) -> PublishedKeys:
    return PublishedKeys(publisher.url, "ES256")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer_keys, "TOTAL", 0.3)


def ids(found: Any) -> list[str | None]:
    return [key.key_id for key in found]


def test_they_are_fetched_when_first_needed_and_then_kept(keys: PublishedKeys, publisher: Publisher) -> None:
    assert publisher.requests == []
    for _ in range(3):
        assert ids(keys.of("first")) == ["first"]
    assert ids(keys.of(None)) == ["first"]
    assert publisher.requests == ["/keys"]


def test_a_key_that_appears_is_there_within_one_call(
    keys: PublishedKeys, publisher: Publisher, clock: Clock
) -> None:
    keys.of("first")
    publisher.publish(FIRST, SECOND)
    clock.pass_(issuer_keys.BETWEEN_LOOKS)
    assert ids(keys.of("second")) == ["second"]
    assert len(publisher.requests) == 2


def test_a_key_that_is_withdrawn_ends_with_what_was_kept(
    keys: PublishedKeys, publisher: Publisher, clock: Clock
) -> None:
    keys.of("first")
    publisher.publish(SECOND)
    clock.pass_(issuer_keys.KEPT - 1)
    assert ids(keys.of("first")) == ["first"]
    clock.pass_(2)
    assert keys.of("first") == [] and ids(keys.of("second")) == ["second"]


def test_unknown_ids_fetch_once_in_a_while(keys: PublishedKeys, publisher: Publisher, clock: Clock) -> None:
    keys.of("first")
    assert [keys.of(f"made up {number}") for number in range(50)] == [[]] * 50
    assert len(publisher.requests) == 1
    clock.pass_(issuer_keys.BETWEEN_LOOKS + 1)
    assert [keys.of(f"made up {number}") for number in range(50)] == [[]] * 50
    assert len(publisher.requests) == 2


def test_a_crowd_with_an_unknown_id_makes_one_request_and_all_see_the_answer(
    keys: PublishedKeys, publisher: Publisher, clock: Clock
) -> None:
    keys.of("first")
    clock.pass_(issuer_keys.BETWEEN_LOOKS + 1)
    publisher.publish(FIRST, SECOND)
    publisher.hang()
    with ThreadPoolExecutor(16) as crowd:
        waiting = [crowd.submit(keys.of, "second") for _ in range(16)]
        publisher.wait_for_request(2)
        publisher.go_on()
        assert [ids(one.result()) for one in waiting] == [["second"]] * 16
    assert len(publisher.requests) == 2


def test_who_asks_for_a_known_key_does_not_wait_while_another_fetches(
    keys: PublishedKeys, publisher: Publisher, clock: Clock
) -> None:
    keys.of("first")
    clock.pass_(issuer_keys.KEPT + 1)
    publisher.hang()
    fetching = threading.Thread(target=keys.of, args=["first"])
    fetching.start()
    publisher.wait_for_request(2)
    began = time.monotonic()
    assert ids(keys.of("first")) == ["first"]
    assert time.monotonic() - began < 0.5
    publisher.go_on()
    fetching.join()


def test_nobody_waits_for_a_source_that_hangs_beyond_the_deadline(
    keys: PublishedKeys, publisher: Publisher, impatient: None
) -> None:
    publisher.hang()
    began = time.monotonic()
    with ThreadPoolExecutor(8) as crowd:
        for waiting in [crowd.submit(keys.of, "first") for _ in range(8)]:
            with pytest.raises(IssuerKeysUnavailable):
                waiting.result()
    assert time.monotonic() - began < 1.5
    assert len(publisher.requests) == 1


FAULTS: dict[str, dict[str, Any]] = {
    "500": {"status": 500, "body": jwk_set(SECOND).encode()},
    "404": {"status": 404},
    "204": {"status": 204},
    "empty": {},
    "HTML": {"body": b"<!doctype html><p>Sign in", "Content-Type": "text/html"},
    "no JSON": {"body": jwk_set(SECOND).encode()[:-1]},
    "UTF-16": {"body": jwk_set(SECOND).encode("utf-16")},
    "duplicate members": {"body": jwk_set(SECOND).encode().replace(b'{"keys"', b'{"keys": [], "keys"')},
    "deep": {"body": b"[" * 100_000},
    "a list": {"body": b"[]"},
    "null": {"body": b"null"},
    "no keys": {"body": b"{}"},
    "keys of another kind": {"body": b'{"keys": {"kid": "second"}}'},
    "huge": {"body": b'{"keys": [], "x": "' + b"x" * LARGEST + b'"}'},
    "not gzip": {"body": jwk_set(SECOND).encode(), "Content-Encoding": "gzip"},
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_source_that_fails_takes_no_key_away_and_adds_none(
    keys: PublishedKeys, publisher: Publisher, clock: Clock, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    keys.of("first")
    publisher.answer(**FAULTS[name])
    clock.pass_(issuer_keys.KEPT + 1)
    assert ids(keys.of("first")) == ["first"] and keys.of("second") == []
    assert len(publisher.requests) == 2
    assert [record.getMessage().split(": ")[0] for record in caplog.records] == ["JWT_JWKS_URL"]
    assert publisher.url not in caplog.text
    publisher.answer(body=jwk_set(SECOND).encode())
    clock.pass_(issuer_keys.BETWEEN_LOOKS + 1)
    assert ids(keys.of("second")) == ["second"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(publisher: Publisher, clock: Clock, status: int) -> None:
    elsewhere = StandIn(body=jwk_set(FIRST).encode())
    publisher.answer(status, Location=elsewhere.url)
    with pytest.raises(IssuerKeysUnavailable):
        PublishedKeys(publisher.url, "ES256").of("first")
    elsewhere.close()
    assert elsewhere.requests == []


def test_a_source_that_is_away_is_done_without_for_a_day(
    keys: PublishedKeys, publisher: Publisher, clock: Clock
) -> None:
    keys.of("first")
    publisher.close()
    clock.pass_(issuer_keys.LONGEST_KEPT - 10)
    assert ids(keys.of("first")) == ["first"] and keys.of("second") == []
    clock.pass_(20)
    for kid in ("first", "second", None):
        with pytest.raises(IssuerKeysUnavailable):
            keys.of(kid)


def test_without_a_key_it_is_looked_again_soon(
    keys: PublishedKeys, publisher: Publisher, clock: Clock
) -> None:
    publisher.answer(503)
    for _ in range(5):
        with pytest.raises(IssuerKeysUnavailable):
            keys.of("first")
    assert len(publisher.requests) == 1
    publisher.answer(body=jwk_set(FIRST).encode())
    clock.pass_(issuer_keys.BETWEEN_FIRST_LOOKS)
    assert ids(keys.of("first")) == ["first"]


def test_a_source_that_withdraws_everything_is_believed(
    keys: PublishedKeys, publisher: Publisher, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    keys.of("first")
    publisher.publish(jwk("RS256", "first"))
    clock.pass_(issuer_keys.KEPT + 1)
    with pytest.raises(IssuerKeysUnavailable):
        keys.of("first")
    assert caplog.messages == ["JWT_JWKS_URL: no key there verifies ES256"]


def test_making_them_opens_no_connection(publisher: Publisher) -> None:
    PublishedKeys(publisher.url, "ES256")
    assert publisher.requests == []


def test_the_id_chooses_the_key_and_a_key_without_one_is_tried_always(
    keys: PublishedKeys, publisher: Publisher
) -> None:
    publisher.publish(FIRST, SECOND, jwk("ES256", "third", kid=...))
    assert ids(keys.of("second")) == ["second", None]
    assert ids(keys.of(None)) == ["first", "second", None]
    assert ids(keys.of("unknown")) == [None]


def test_of_many_keys_a_few_are_tried() -> None:
    alike = jwks.usable({"keys": [FIRST] * 50}, "ES256")
    assert len(IssuerKeys(alike).of(None)) == len(IssuerKeys(alike).of("first")) == issuer_keys.MOST_TRIED
