"""A token that was found good is not verified again. What ends it counts at once all the same."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from app.oauth import issuer_keys
from app.services import accounts
from tests.support.clocks import Clock
from tests.support.issuing import Publisher, add_user, by_url, issue, jwk
from tests.support.service import Service, StartService, User
from tests.support.tokens import claims_of, forge

API = "/api/auth/me"
CONNECTIONS = "/api/connections"


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens that were verified, in their order."""
    seen: list[str] = []
    verify: Callable[..., Any] = jwt.decode

    def decode(token: str, *args: Any, **kwargs: Any) -> Any:
        seen.append(token)
        return verify(token, *args, **kwargs)

    monkeypatch.setattr(jwt, "decode", decode)
    return seen


def status_of(service: Service, token: str, path: str = API) -> int:
    return service.call("GET", path, headers={"Authorization": f"Bearer {token}"}).status_code


def test_a_good_token_is_verified_once(service: Service, user: User, verified: list[str]) -> None:
    assert [status_of(service, user.token, path) for path in (API, CONNECTIONS, API)] == [200] * 3
    assert verified == [user.token]


def test_a_bad_token_is_verified_each_time(service: Service, user: User, verified: list[str]) -> None:
    bad = forge(claims_of(user.id), key="x" * 48)
    assert [status_of(service, bad) for _ in range(3)] == [401] * 3
    assert verified == [bad] * 3
    assert status_of(service, bad[:-3] + user.token[-3:]) == 401


def test_a_token_ends_when_it_says(service: Service, user: User) -> None:
    token = forge(claims_of(user.id, exp=time.time() + 1.5))
    assert status_of(service, token) == 200
    time.sleep(1.6)
    assert status_of(service, token) == 401


def test_a_logout_counts_at_once(user: User) -> None:
    assert user.call("GET", API).status_code == 200
    assert user.call("POST", "/api/auth/logout").status_code == 200
    assert user.call("GET", API).status_code == 401


def test_a_disabled_user_counts_at_once(service: Service, user: User) -> None:
    token = forge(claims_of(user.id))  # of no login: those end with it for good
    for disabled, status in ((False, 200), (True, 401), (False, 200)):
        with service.app.app_context():
            accounts.set_disabled(username=user.username, disabled=disabled)
        assert status_of(service, token) == status


def test_a_removed_user_counts_at_once(service: Service, user: User) -> None:
    other = forge(claims_of(user.id))
    assert status_of(service, other) == 200
    with service.app.app_context():
        accounts.remove_named(username=user.username)
    assert status_of(service, other) == 401 and status_of(service, user.token) == 401


def test_a_remembered_access_token_renews_nothing(user: User) -> None:
    assert user.call("GET", API).status_code == 200
    assert user.call("POST", "/api/auth/refresh").status_code == 401
    renewed = user.service.call(
        "POST", "/api/auth/refresh", headers={"Authorization": f"Bearer {user.refresh_token}"}
    )
    assert renewed.status_code == 200
    assert status_of(user.service, user.refresh_token) == 401


def test_a_key_that_the_host_takes_back_counts_at_once(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch, verified: list[str]
) -> None:
    """The one that verified a token, though another one of the same id is published instead."""
    clock, publisher = Clock(), Publisher(jwk("RS256"))
    monkeypatch.setattr(issuer_keys, "monotonic", clock)
    service, token = start_service(**by_url(publisher)), issue(1)
    add_user(service, "somebody")
    assert [status_of(service, token, CONNECTIONS) for _ in range(2)] == [200, 200]
    assert verified == [token]
    publisher.publish(jwk("RS256", "second", kid="first"))
    clock.pass_(issuer_keys.KEPT + 1)
    assert status_of(service, token, CONNECTIONS) == 401
    publisher.close()


def test_the_token_itself_is_not_kept(service: Service, user: User) -> None:
    assert user.call("GET", API).status_code == 200
    kept = service.app.extensions["latchkey.good_tokens"]
    assert len(kept) > 0
    assert user.token.rpartition(".")[2] not in repr(vars(kept))
