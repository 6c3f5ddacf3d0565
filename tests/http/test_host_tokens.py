"""Tokens that a host application issues: RS256 or ES256, by a file or by a URL, and nothing else passes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import start
from tests.http.test_forged_tokens import INVALID, NO_INTEGER, START, START_INVALID, START_PAYLOAD
from tests.support.accounts import with_token
from tests.support.databases import PostgresqlDatabases, SqliteDatabases
from tests.support.issuing import (
    ALGORITHMS,
    add_user,
    by_pem,
    issue,
    jwk,
    public_pem,
    sign,
)
from tests.support.providers import Sandbox
from tests.support.service import Service, StartService
from tests.support.settings import JWT_SECRET_KEY
from tests.support.tokens import claims_of, encode, forge

API = "/api/connections"
A_DAY = 86400  # seconds: more than the whole suite takes, whatever else the machine does
ISSUER, AUDIENCE = "https://host.example.com", "latchkey"
OTHER = {"RS256": "ES256", "ES256": "RS256"}
PARTIES = {"iss": ISSUER, "aud": AUDIENCE}

Forgery = Callable[[str], str]  # of the algorithm that the service has


@pytest.fixture(scope="module", params=ALGORITHMS)
def algorithm(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def host(
    databases: SqliteDatabases | PostgresqlDatabases,
    sandbox: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
    algorithm: str,
) -> Iterator[Service]:
    """A service that takes the host's tokens, and has the user 1."""
    settings = by_pem(tmp_path_factory.mktemp("keys"), algorithm, JWT_ISSUER=ISSUER, JWT_AUDIENCE=AUDIENCE)
    started = start(databases.new(), sandbox, **settings)
    add_user(started, "somebody")
    yield started
    started.close()


def status_of(service: Service, token: str) -> int:
    return service.call("GET", API, headers=with_token(token)).status_code


def check_refused(service: Service, token: str, start_body: dict[str, str]) -> None:
    for path, body in ((API, INVALID), (START, start_body)):
        answer = service.call("GET", path, headers={"Authorization": f"Bearer {token}".encode()})
        assert (answer.status_code, answer.json()) == (401, body)
    answer = service.call("GET", START, params={"token": token})
    assert (answer.status_code, answer.json()) == (401, start_body)


def said(**claims: Any) -> Forgery:
    """A token that is signed by the host, and says this."""
    return lambda algorithm: issue(**{"user_id": 1, **PARTIES, **claims}, algorithm=algorithm)


def headed(**header: Any) -> Forgery:
    """A good token but for its header. What is ... there is left out."""

    def make(algorithm: str) -> str:
        members = {"alg": algorithm, "typ": "JWT", **header}
        text = json.dumps({name: value for name, value in members.items() if value is not ...})
        return sign(text, claims_of(1, **PARTIES), algorithm=algorithm)

    return make


def spelled(text: str) -> Forgery:
    """The same, with the very text of its claims: EXP and PARTIES are put in."""
    parties = json.dumps(PARTIES)[1:-1]
    exp = str(int(time.time()) + 3600)
    return lambda algorithm: sign(
        {}, text.replace("EXP", exp).replace("PARTIES", parties), algorithm=algorithm
    )


def by_hmac(key: str | bytes, **header: Any) -> Forgery:
    return lambda algorithm: forge(claims_of(1, **PARTIES), key=key, **header)


def by_public_key(**header: Any) -> Forgery:
    """HMAC with what everybody has: the bytes of the public key."""
    return lambda algorithm: forge(claims_of(1, **PARTIES), key=public_pem(algorithm), **header)


def unsigned(alg: str, tail: str = "") -> Forgery:
    parts = [json.dumps({"alg": alg, "typ": "JWT"}), json.dumps(claims_of(1, **PARTIES))]
    return lambda algorithm: ".".join([*map(encode, parts), tail])


def by_stranger(**header: Any) -> Forgery:
    """Signed with a key of the right kind that is not the host's."""
    return lambda algorithm: issue(1, algorithm=algorithm, name="stranger", header=header, **PARTIES)


FORGERIES: dict[str, Forgery] = {
    "HS256 by our own secret": by_hmac(JWT_SECRET_KEY),
    "HS256 by our own secret, called otherwise": lambda algorithm: forge(
        claims_of(1, **PARTIES), alg=algorithm
    ),
    "HS256 by the public key": by_public_key(),
    "HMAC by the public key, called otherwise": lambda algorithm: by_public_key(alg=algorithm)(algorithm),
    "HS256 by the JWK": lambda algorithm: forge(claims_of(1, **PARTIES), key=json.dumps(jwk(algorithm))),
    "HS256 by nothing": by_hmac(b""),
    **{f"alg {alg}": unsigned(alg) for alg in ("none", "None", "NONE", "")},
    "alg none with a signature": unsigned("none", "c2lnbmF0dXJl"),
    **{
        f"alg {alg!r}, signed": headed(alg=alg)
        for alg in ("none", "RS384", "RS512", "PS256", "ES384", "EdDSA", "HS256", None, ["RS256"], 1, ...)
    },
    "the other algorithm": lambda algorithm: issue(1, algorithm=OTHER[algorithm], **PARTIES),
    "the other algorithm, called otherwise": lambda algorithm: sign(
        json.dumps({"alg": algorithm}), claims_of(1, **PARTIES), algorithm=OTHER[algorithm]
    ),
    "a stranger": by_stranger(),
    "a stranger with the host's kid": by_stranger(kid="first"),
    "kid of an empty file": by_hmac(b"", kid="../../../../dev/null"),
    "kid of a file, by a stranger": by_stranger(kid="../../dev/null"),
    **{f"kid {kid!r}": headed(kid=kid) for kid in (1, ["first"], {"first": 1}, None)},
    "jwk": lambda algorithm: by_stranger(jwk=jwk(algorithm, "stranger"))(algorithm),
    "crit": headed(crit=["exp"], exp=1),
    "crit empty": headed(crit=[]),
    "b64 false": headed(b64=False, crit=["b64"]),
    **{f"typ {typ}": headed(typ=typ) for typ in ("JWE", "refresh+jwt", "logout+jwt", "", 1, None)},
    "duplicate header": lambda algorithm: sign(
        f'{{"alg": "none", "alg": "{algorithm}"}}', claims_of(1, **PARTIES), algorithm=algorithm
    ),
    "duplicate claim": spelled('{"user_id": 2, "user_id": 1, "exp": EXP, PARTIES}'),
    "claims list": spelled("[1, EXP]"),
    "no exp": said(exp=...),
    "expired": said(exp=int(time.time()) - 1),
    **{f"exp {exp!r}": said(exp=exp) for exp in ("4102444800", 1e30, 10**30, -1, 0, True, None, [], {})},
    "exp of 400 digits": said(exp=10**400),
    "exp 1e999": spelled('{"user_id": 1, "exp": 1e999, PARTIES}'),
    "nbf future": said(nbf=int(time.time()) + A_DAY),
    "iat future": said(iat=int(time.time()) + A_DAY),
    "iat text": said(iat="now"),
    "5 KB": said(padding="x" * 5000),
    "deep": spelled('{"user_id": 1, "exp": EXP, PARTIES, "x": ' + "[" * 900 + "]" * 900 + "}"),
    "no signature": lambda algorithm: said()(algorithm).rpartition(".")[0] + ".",
    "altered": lambda algorithm: said()(algorithm)[:-4] + "AAAA",
    "other claims": lambda algorithm: ".".join(
        [said()(algorithm).split(".")[0], encode('{"user_id": 2}'), said()(algorithm).split(".")[2]]
    ),
    **{f"type {kind!r}": said(type=kind) for kind in ("refresh", "id", "", None, 1, ["access"])},
    **{f"user_id {value}": said(user_id=value) for value in (0, -1, 2, 2**31, 2**63 - 1, 2**63, 10**40)},
    **{
        f"iss {iss!r}": said(iss=iss)
        for iss in (
            "https://other.example.com",
            f"{ISSUER}/",
            ISSUER.upper(),
            "",
            1,
            None,
            True,
            [ISSUER],
            {},
            ...,
        )
    },
    **{
        f"aud {aud!r}": said(aud=aud)
        for aud in (
            "other",
            "Latchkey",
            "latch",
            "",
            [],
            ["other"],
            [[AUDIENCE]],
            {AUDIENCE: 1},
            1,
            None,
            ...,
        )
    },
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_token_is_refused(host: Service, algorithm: str, name: str) -> None:
    check_refused(host, FORGERIES[name](algorithm), START_INVALID)


@pytest.mark.parametrize("value", [*NO_INTEGER, ...], ids=repr)
def test_a_user_id_that_is_no_integer_is_told_on_start_routes(
    host: Service, algorithm: str, value: Any
) -> None:
    check_refused(host, said(user_id=value)(algorithm), START_PAYLOAD)


GOOD: dict[str, Forgery] = {
    "as it is": said(),
    "kid of another name": headed(kid="anything"),
    "no kid": headed(),
    "no typ": headed(typ=...),
    "at+jwt": headed(typ="AT+JWT"),
    "application/at+jwt": headed(typ="application/at+jwt"),
    "aud a list": said(aud=["other", AUDIENCE]),
    "type access": said(type="access"),
    "a session of the host's": said(sid="0" * 32),
    "a sid that is no text": said(sid=["x"], sub=1, jti=2),
    "issued a moment ago": said(iat=time.time() - 1, nbf=time.time() - 1),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_token_passes(host: Service, algorithm: str, name: str) -> None:
    """Each forgery above differs in one thing from one of these."""
    assert status_of(host, GOOD[name](algorithm)) == 200


def test_issuer_and_audience_are_not_looked_at_where_none_is_set(
    start_service: StartService, tmp_path: Path
) -> None:
    service = start_service(**by_pem(tmp_path))
    add_user(service, "somebody")
    for claims in ({}, PARTIES, {"iss": "x", "aud": ["x"]}, {"iss": 1, "aud": {}}):
        assert status_of(service, issue(1, **claims)) == 200


def test_our_own_tokens_say_issuer_and_audience_where_they_are_set(start_service: StartService) -> None:
    service = start_service(JWT_ISSUER=ISSUER, JWT_AUDIENCE=AUDIENCE)
    user = service.user()
    assert user.call("GET", API).status_code == 200
    renewed = service.call("POST", "/api/auth/refresh", headers=with_token(user.refresh_token))
    assert renewed.status_code == 200
    assert status_of(service, forge(claims_of(user.id, **PARTIES))) == 200
    assert status_of(service, forge(claims_of(user.id))) == 401


def test_accounts_of_our_own_are_off(host: Service) -> None:
    for method, path in (("POST", "register"), ("POST", "login"), ("POST", "refresh"), ("GET", "me")):
        answer = host.call(method, f"/api/auth/{path}", headers=with_token(said()("RS256")))
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
