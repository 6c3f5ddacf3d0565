"""Which keys verify a host application's tokens: public, of the right kind, long enough, and meant for it."""

from __future__ import annotations

import json
import os
import random
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

import jwks
from tests.support.issuing import (
    ALGORITHMS,
    jwk,
    jwk_of,
    jwk_set,
    pem_of,
    private_key,
    private_pem,
    public_pem,
)

OTHER = {"RS256": "ES256", "ES256": "RS256"}
WEAK = rsa.generate_private_key(public_exponent=65537, key_size=1024)
P384 = ec.generate_private_key(ec.SECP384R1())

# What is changed in a good member of a set; it is not used then. ... leaves a member out.
CHANGES: dict[str, dict[str, Any]] = {
    "use enc": {"use": "enc"},
    "use a list": {"use": ["sig"]},
    "alg RS512": {"alg": "RS512"},
    "alg PS256": {"alg": "PS256"},
    "alg HS256": {"alg": "HS256"},
    "alg none": {"alg": "none"},
    "alg null": {"alg": None},
    "key_ops sign": {"key_ops": ["sign"]},
    "key_ops none": {"key_ops": []},
    "key_ops a text": {"key_ops": "verify"},
    "key_ops a number": {"key_ops": 1},
    "kid a number": {"kid": 1},
    "kid a list": {"kid": ["first"]},
    "kty oct": {"kty": "oct"},
    "kty oct with a secret": {"kty": "oct", "k": "c2VjcmV0"},
    "kty lower case": {"kty": "rsa"},
    "kty OKP": {"kty": "OKP"},
    "no kty": {"kty": ...},
    "kty a list": {"kty": ["RSA"]},
    "d": {"d": "AQAB"},
    "k": {"k": "AQAB"},
    **{f"n {n!r}": {"n": n} for n in ("", "!", "AQAB", 1, None, ["AQAB"], "é", ...)},
    **{f"e {e!r}": {"e": e} for e in ("", "!", "AA", "AQ", 1, None, "A" * 1000, ...)},
}
CURVED: dict[str, dict[str, Any]] = {
    **{f"x {x!r}": {"x": x} for x in ("", "!", "AQAB", 1, None, "A" * 43, ...)},
    **{f"y {y!r}": {"y": y} for y in ("", "AQAB", None, ...)},
    **{f"crv {crv!r}": {"crv": crv} for crv in ("P-384", "secp256k1", "p-256", "", None, 1, ["P-256"], ...)},
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_good_key_is_used(algorithm: str) -> None:
    good = jwk(algorithm)
    for member in (
        good,
        {**good, "use": "sig", "alg": algorithm, "key_ops": ["verify"], "x5c": ["x"], "x5u": "http://x"},
        jwk(algorithm, kid=...),
        jwk(algorithm, key_ops=...),
    ):
        (key,) = jwks.usable({"keys": [member]}, algorithm)
        assert (key.algorithm_name, key.key_id) == (algorithm, member.get("kid"))


@pytest.mark.parametrize(
    ("algorithm", "change"),
    [
        *[pytest.param("RS256", change, id=f"RSA {name}") for name, change in CHANGES.items()],
        *[pytest.param("ES256", change, id=f"EC {name}") for name, change in CURVED.items()],
    ],
)
def test_a_key_that_will_not_do_is_not_used(algorithm: str, change: dict[str, Any]) -> None:
    good = jwk(algorithm, "second")
    keys = jwks.usable({"keys": [jwk(algorithm, **change), good]}, algorithm)
    assert [key.key_id for key in keys] == ["second"]


@pytest.mark.parametrize("member", [None, 1, "x", [], True], ids=repr)
def test_what_is_no_object_is_not_used(member: Any) -> None:
    assert jwks.usable({"keys": [member]}, "RS256") == ()


def test_keys_of_the_other_kind_and_weak_ones_are_not_used() -> None:
    assert jwks.usable({"keys": [jwk("ES256")]}, "RS256") == ()
    assert jwks.usable({"keys": [jwk("RS256")]}, "ES256") == ()
    assert jwks.usable({"keys": [jwk_of(WEAK.public_key())]}, "RS256") == ()
    assert jwks.usable({"keys": [jwk_of(P384.public_key())]}, "ES256") == ()


def test_members_made_of_anything_raise_nothing_unforeseen() -> None:
    chosen = random.Random(7)
    values = ["", "AQAB", "RSA", "EC", "P-256", "sig", None, 1, -1, 1e308, [], ["verify"], {}, True, "\ud800"]
    names = ["kty", "crv", "n", "e", "x", "y", "use", "alg", "key_ops", "kid"]
    for _ in range(2000):
        algorithm = chosen.choice(ALGORITHMS)
        member = {**jwk(algorithm), **{name: chosen.choice(values) for name in chosen.sample(names, 2)}}
        assert len(jwks.usable({"keys": [member]}, algorithm)) in (0, 1)


@pytest.mark.parametrize("document", [None, [], "keys", 1, {}, {"keys": None}, {"keys": {}}], ids=repr)
def test_what_is_no_set_is_told(document: Any) -> None:
    with pytest.raises(ValueError, match="not a JWK Set"):
        jwks.usable(document, "RS256")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_pem_file_of_a_public_key(algorithm: str) -> None:
    (key,) = jwks.of_pem(public_pem(algorithm), algorithm)
    assert (key.algorithm_name, key.key_id) == (algorithm, None)
    assert jwks.of_pem(f"a comment\n\n{public_pem(algorithm)}\n", algorithm)


PRIVATE = ("private", "private, sealed", "private, traditional", "private behind public")
UNFIT_PEMS = (
    *PRIVATE, "empty", "noise", "cut", "altered", "the other kind", "a JWK Set", "a secret", "Ed25519", "DSA",
    "P-384", "RSA of 1024 bits",
)  # fmt: skip


@cache
def unfit_pems(algorithm: str) -> dict[str, str]:
    """Return texts that are no PEM file of a key for this algorithm."""
    key, sealed = private_key(algorithm), BestAvailableEncryption(b"x")
    return {
        "private": private_pem(key),
        "private, sealed": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed).decode(),
        "private, traditional": key.private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, sealed
        ).decode(),
        "private behind public": public_pem(algorithm) + private_pem(key),
        "empty": "",
        "noise": os.urandom(100).hex(),
        "cut": public_pem(algorithm)[:-60],
        "altered": public_pem(algorithm).replace("M", "N", 1),
        "the other kind": public_pem(OTHER[algorithm]),
        "a JWK Set": jwk_set(jwk(algorithm)),
        "a secret": "x" * 48,
        "Ed25519": pem_of(ed25519.Ed25519PrivateKey.generate().public_key()),
        "DSA": pem_of(dsa.generate_private_key(1024).public_key()),
        "P-384": pem_of(P384.public_key()),
        "RSA of 1024 bits": pem_of(WEAK.public_key()),
    }


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", UNFIT_PEMS)
def test_another_pem_file_is_refused_and_not_shown(name: str, algorithm: str) -> None:
    text = unfit_pems(algorithm)[name]
    said = check_refused(jwks.of_pem, text, algorithm)
    assert said.startswith("it holds a private key") is (name in PRIVATE)


UNFIT_SETS = (
    "empty", "no JSON", "deep", "a list", "one key", "no key", "of the other kind", "for encryption",
    "too short", "a private one", "a private one beside", "a symmetric one beside", "a PEM file",
)  # fmt: skip


@cache
def unfit_sets() -> dict[str, str]:
    good = jwk("RS256")
    return {
        "empty": "",
        "no JSON": jwk_set(good)[:-1],
        "deep": "[" * 100_000,
        "a list": json.dumps([good]),
        "one key": json.dumps(good),
        "no key": jwk_set(),
        "of the other kind": jwk_set(jwk("ES256")),
        "for encryption": jwk_set({**good, "use": "enc"}),
        "too short": jwk_set(jwk_of(WEAK.public_key())),
        "a private one": jwk_set(jwk_of(private_key("RS256"))),
        "a private one beside": jwk_set(good, jwk_of(private_key("ES256"), key_ops=...)),
        "a symmetric one beside": jwk_set(good, {"kty": "oct", "k": "c2VjcmV0LXNlY3JldA"}),
        "a PEM file": public_pem("RS256"),
    }


@pytest.mark.parametrize("name", UNFIT_SETS)
def test_another_jwks_file_is_refused_and_not_shown(name: str) -> None:
    check_refused(jwks.of_file, unfit_sets()[name], "RS256")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_jwks_file(algorithm: str) -> None:
    text = jwk_set(jwk(OTHER[algorithm]), jwk(algorithm), jwk(algorithm, "second"), {"kty": "new"})
    assert [key.key_id for key in jwks.of_file(text, algorithm)] == ["first", "second"]


def check_refused(parse: Any, text: str, algorithm: str) -> str:
    """Return what is said of it: a remedy, and nothing of the text."""
    with pytest.raises(jwks.Unfit) as caught:
        parse(text, algorithm)
    said = str(caught.value)
    assert "; " in said or said.startswith("set it to ")
    assert not any(text[at : at + 12] in said for at in range(0, len(text) - 12, 12))
    return said
