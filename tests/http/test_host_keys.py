"""Where the keys of a host application come from: a file, or a URL that is asked when they are needed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.oauth import issuer_keys
from tests.http.test_forged_tokens import START, START_INVALID
from tests.http.test_host_tokens import API, OTHER, check_refused, status_of
from tests.support.accounts import with_token
from tests.support.clocks import Clock
from tests.support.issuing import (
    ALGORITHMS,
    Publisher,
    add_user,
    by_url,
    issue,
    jwk,
    jwk_of,
    jwk_set,
    private_key,
    sign,
)
from tests.support.service import StartService
from tests.support.serving import StandIn
from tests.support.tokens import claims_of, forge

both = pytest.mark.parametrize("algorithm", ALGORITHMS)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    started = Publisher(jwk("RS256"))
    yield started
    started.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(issuer_keys, "monotonic", clock)
    return clock


@both
def test_a_jwks_file(start_service: StartService, tmp_path: Path, algorithm: str) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(jwk_set(jwk(OTHER[algorithm]), jwk(algorithm), jwk(algorithm, "second")))
    service = start_service(JWT_ALGORITHM=algorithm, JWT_JWKS_FILE=str(path))
    add_user(service, "somebody")
    for token in (
        issue(1, algorithm=algorithm),
        issue(1, algorithm=algorithm, name="second"),
        sign({}, claims_of(1), algorithm=algorithm, name="second"),
    ):
        assert status_of(service, token) == 200
    for token in (
        issue(1, algorithm=algorithm, header={"kid": "second"}),
        issue(1, algorithm=algorithm, header={"kid": "third"}),
        issue(1, algorithm=algorithm, name="stranger", header={"kid": "first"}),
        issue(1, algorithm=OTHER[algorithm]),
    ):
        assert status_of(service, token) == 401


@both
def test_the_host_rotates_its_keys(
    start_service: StartService, publisher: Publisher, clock: Clock, algorithm: str
) -> None:
    publisher.publish(jwk(algorithm, "first"))
    service = start_service(**by_url(publisher, algorithm))
    add_user(service, "somebody")
    first, second = issue(1, algorithm=algorithm), issue(1, algorithm=algorithm, name="second")
    assert status_of(service, first) == 200
    publisher.publish(jwk(algorithm, "first"), jwk(algorithm, "second"))
    clock.pass_(issuer_keys.BETWEEN_LOOKS)
    assert status_of(service, second) == 200 and status_of(service, first) == 200
    publisher.publish(jwk(algorithm, "second"))
    assert status_of(service, first) == 200
    clock.pass_(issuer_keys.KEPT + 1)
    assert status_of(service, first) == 401 and status_of(service, second) == 200
    assert len(publisher.requests) == 3


def test_a_host_that_is_away_at_first_and_later(
    start_service: StartService, publisher: Publisher, clock: Clock
) -> None:
    publisher.answer(503)
    service = start_service(**by_url(publisher))
    add_user(service, "somebody")
    assert publisher.requests == []
    for path in (API, START):
        answer = service.call("GET", path, headers=with_token(issue(1)))
        assert (answer.status_code, answer.json()["code"]) == (503, "issuer_keys_unavailable")
        assert answer.headers["Retry-After"]
    assert status_of(service, forge(claims_of(1))) == 401  # what can be told without a key is told
    publisher.answer(body=jwk_set(jwk("RS256")).encode())
    clock.pass_(issuer_keys.BETWEEN_FIRST_LOOKS)
    assert status_of(service, issue(1)) == 200
    publisher.close()
    clock.pass_(issuer_keys.KEPT + 1)
    assert status_of(service, issue(1)) == 200
    assert status_of(service, issue(1, name="second")) == 401


def test_a_host_that_hangs_is_waited_for_three_seconds(
    start_service: StartService, publisher: Publisher
) -> None:
    publisher.hang()
    service = start_service(**by_url(publisher))
    began = time.monotonic()
    assert status_of(service, issue(1)) == 503
    assert 2.5 < time.monotonic() - began < 4.5


@both
def test_a_header_leads_to_no_other_key(
    start_service: StartService, publisher: Publisher, algorithm: str
) -> None:
    """Neither by an address that it names, nor by the key that it brings."""
    publisher.publish(jwk(algorithm))
    service = start_service(**by_url(publisher, algorithm))
    add_user(service, "somebody")
    stranger = jwk(algorithm, "stranger")
    elsewhere = StandIn(body=jwk_set(stranger).encode())
    for header in (
        {"jku": elsewhere.url},
        {"jku": elsewhere.url, "kid": "first"},
        {"x5u": elsewhere.url},
        {"jwk": stranger},
        {"jwk": stranger, "kid": ...},
        {"x5c": ["MIIB"], "x5t": "x"},
        {"kid": elsewhere.url},
    ):
        kept = {name: value for name, value in header.items() if value is not ...}
        token = issue(1, algorithm=algorithm, name="stranger", header=kept)
        check_refused(service, token, START_INVALID)
    elsewhere.close()
    assert elsewhere.requests == []
    assert status_of(service, issue(1, algorithm=algorithm, header={"jku": "http://127.0.0.1:9/"})) == 200


def test_a_private_key_that_the_host_publishes_is_not_used(
    start_service: StartService, publisher: Publisher
) -> None:
    publisher.publish(jwk("RS256", "second"), jwk_of(private_key("RS256"), kid="first", key_ops=...))
    service = start_service(**by_url(publisher))
    add_user(service, "somebody")
    assert status_of(service, issue(1)) == 401 and status_of(service, issue(1, name="second")) == 200
