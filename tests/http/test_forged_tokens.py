"""Every JWT that must not pass gets one body on API routes and one on start routes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.service import Service, User
from tests.support.settings import ENCRYPTION_KEY, JWT_SECRET_KEY, SECRET_KEY
from tests.support.tokens import assemble, claims_of, encode, forge

API, START = "/api/auth/me", "/api/connections/github"
INVALID = {"error": "Invalid or expired token", "code": "token_invalid"}
START_INVALID = {"error": "Invalid token", "code": "start_token_invalid"}
START_PAYLOAD = {"error": "Invalid token payload", "code": "token_payload_invalid"}

Forgery = Callable[[int], str]


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_pem() -> bytes:
    return rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def jwk() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key().public_key()))
    return {**document, "kid": "mine"}


def unsigned(alg: str, tail: str = "") -> Forgery:
    return lambda id: (
        f"{encode(json.dumps({'alg': alg, 'typ': 'JWT'}))}.{encode(json.dumps(claims_of(id)))}.{tail}"
    )


def claimed(**claims: Any) -> Forgery:
    """A token that is signed with our own key, and says this."""
    return lambda id: forge({**claims_of(id), **claims})


def spelled(text: str) -> Forgery:
    """The same, with the very text of its claims: ID and EXP are put in."""
    return lambda id: forge(text.replace("ID", str(id)).replace("EXP", str(int(time.time()) + 600)))


def by_rsa(**header: Any) -> Forgery:
    return lambda id: jwt.encode(claims_of(id), rsa_key(), "RS256", headers=header)


def signed(**how: Any) -> Forgery:
    return lambda id: forge(claims_of(id), **how)


FORGERIES: dict[str, Forgery] = {
    **{f"alg {alg}": unsigned(alg) for alg in ("none", "None", "NONE", "nOnE", "")},
    "alg none with a signature": unsigned("none", "c2lnbmF0dXJl"),
    "alg none, signed by us": signed(alg="none"),
    "alg null": signed(alg=None),
    "alg list": signed(alg=["HS256"]),
    "alg lower case": signed(alg="hs256"),
    "no signature": lambda id: forge(claims_of(id)).rpartition(".")[0] + ".",
    "two parts": lambda id: forge(claims_of(id)).rpartition(".")[0],
    "four parts": lambda id: forge(claims_of(id)) + ".x",
    "RS256": by_rsa(),
    "ES256": lambda id: jwt.encode(claims_of(id), ec.generate_private_key(ec.SECP256R1()), "ES256"),
    "RS256 by HMAC of our key": signed(alg="RS256"),
    "HS256 by a public key": lambda id: forge(claims_of(id), key=public_pem()),
    "HS384": signed(alg="HS384", digest="sha384"),
    "HS512": signed(alg="HS512", digest="sha512"),
    "kid of an empty file": signed(key=b"", kid="../../../../dev/null"),
    "kid of a known file": signed(key=b"2\n", kid="/proc/sys/kernel/randomize_va_space"),
    "kid as SQL": signed(key="x", kid="x' UNION SELECT 'x"),
    "kid list": signed(key="x", kid=["k1"]),
    "jku": by_rsa(jku="http://127.0.0.1:9/jwks.json", kid="mine"),
    "x5u": by_rsa(x5u="http://127.0.0.1:9/cert.pem"),
    "jwk": lambda id: jwt.encode(claims_of(id), rsa_key(), "RS256", headers={"jwk": jwk(), "kid": "mine"}),
    "jwk of our kind": signed(key="x" * 32, jwk={"kty": "oct", "k": encode("x" * 32)}),
    "crit": signed(crit=["exp"], exp=1),
    "crit empty": signed(crit=[]),
    "crit b64": signed(crit=["b64"], b64=False),
    **{f"typ {typ}": signed(typ=typ) for typ in ("JWE", "refresh+jwt", "secevent+jwt", "", 1, None)},
    "duplicate claim": spelled('{"user_id": 1, "user_id": ID, "exp": EXP}'),
    "duplicate exp": spelled('{"user_id": ID, "exp": 1, "exp": EXP}'),
    "duplicate header": lambda id: assemble('{"alg": "none", "alg": "HS256"}', claims_of(id)),
    "claims list": spelled("[ID, EXP]"),
    "claims null": spelled("null"),
    "claims UTF-16": lambda id: forge(json.dumps(claims_of(id)).encode("utf-16")),
    "header list": lambda id: assemble('["HS256"]', claims_of(id)),
    "no exp": spelled('{"user_id": ID}'),
    "exp NaN": spelled('{"user_id": ID, "exp": NaN}'),
    "exp Infinity": spelled('{"user_id": ID, "exp": Infinity}'),
    "exp 1e999": spelled('{"user_id": ID, "exp": 1e999}'),
    **{
        f"exp {exp!r}": claimed(exp=exp)
        for exp in ("4102444800", 1e30, 10**30, -1, -(10**30), 0, True, None, [4102444800], {}, 1, 1.5)
    },
    "exp of 400 digits": claimed(exp=10**400),
    "exp just past": lambda id: forge(claims_of(id, exp=int(time.time()) - 1)),
    "nbf future": lambda id: forge(claims_of(id, nbf=int(time.time()) + 60)),
    "nbf text": claimed(nbf="soon"),
    "5 KB": claimed(padding="x" * 5000),
    "deep": spelled('{"user_id": ID, "exp": EXP, "x": ' + "[" * 1000 + "]" * 1000 + "}"),
    "NUL": spelled('{"user_id": ID, "exp": EXP, "x": "\\u0000"}'),
    "lone surrogate": spelled('{"user_id": ID, "exp": EXP, "x": "\\ud800"}'),
    "non-ASCII": lambda id: forge(claims_of(id)) + "é",
    "control character": lambda id: forge(claims_of(id)) + "\x01",
    "inner control character": lambda id: forge(claims_of(id)).replace(".", ".\x7f", 1),
    "service key of control characters": lambda _: "latchkey_" + "\x01" * 43,
    "Arabic digits": lambda id: forge(claims_of(id)).replace(".", ".١", 1),
    "inner space": lambda id: forge(claims_of(id)).replace(".", ". ", 1),
    "padded": lambda id: forge(claims_of(id)) + "=",
    "altered": lambda id: forge(claims_of(id))[:-3] + "AAA",
    **{f"key {key[:6]!r}": signed(key=key) for key in ("", "secret", "x" * 48)},
    "the key of cookies": signed(key=SECRET_KEY),
    "the key of rows": signed(key=ENCRYPTION_KEY),
    "half of our key": signed(key=JWT_SECRET_KEY[:32]),
    "type refresh": claimed(type="refresh"),
    "type unknown": claimed(type="flow"),
    "type null": claimed(type=None),
    "sid of nobody": claimed(sid="0" * 32),
    "sid null": claimed(sid=None),
    "sid list": claimed(sid=["x"]),
    **{
        f"user_id {value}": claimed(user_id=value)
        for value in (0, -1, 2**31, 2**63 - 1, 2**63, 2**64, 10**40)
    },
}
NO_INTEGER: list[Any] = [True, False, None, "1", "", [1], {"id": 1}, 1.0, 1.5, 1e30]


@pytest.fixture(scope="module")
def victim(service: Service) -> User:
    return service.user()


def check(service: Service, token: str, start_body: dict[str, str]) -> None:
    """Send it in both forms of the header and in the query."""
    expected = [(API, INVALID), (START, start_body)]
    for path, body in expected:
        answer = service.call("GET", path, headers={"Authorization": f"Bearer {token}".encode()})
        assert (answer.status_code, answer.json()) == (401, body)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    answer = service.call("GET", START, params={"token": token})
    assert (answer.status_code, answer.json()) == (401, start_body)


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_token_is_refused(service: Service, victim: User, name: str) -> None:
    check(service, FORGERIES[name](victim.id), START_INVALID)


@pytest.mark.parametrize("value", NO_INTEGER, ids=repr)
def test_a_user_id_that_is_no_integer_is_told_on_start_routes(service: Service, value: Any) -> None:
    check(service, forge(claims_of(value)), START_PAYLOAD)


def test_a_token_without_user_id(service: Service, victim: User) -> None:
    check(service, forge({"exp": int(time.time()) + 600, "sub": str(victim.id)}), START_PAYLOAD)


def test_refresh_and_access_tokens_are_not_interchangeable(service: Service, victim: User) -> None:
    check(service, victim.refresh_token, START_INVALID)
    for token in (
        victim.token,
        forge(claims_of(victim.id)),
        forge(claims_of(victim.id, type="refresh", jti="x")),
    ):
        answer = service.call("POST", "/api/auth/refresh", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()) == (401, INVALID)
    assert victim.call("GET", API).status_code == 200  # none of this has ended the login


def test_what_the_forgeries_are_made_of_passes(service: Service, victim: User) -> None:
    """Each forgery above differs in one thing from a token that is good."""
    moment = time.time() + 600.5
    for token in (
        forge(claims_of(victim.id)),
        forge(claims_of(victim.id), typ="jwt"),
        forge(claims_of(victim.id), kid="unknown"),
        forge(
            claims_of(victim.id, exp=moment, nbf=int(time.time()) - 1, aud="other", iss="other", sub="other")
        ),
        assemble('{"alg": "HS256"}', claims_of(victim.id)),
    ):
        assert service.call("GET", API, headers={"Authorization": token}).json()["id"] == victim.id
