"""The safe: what opens, what never does, and the stored form that may never change."""

from __future__ import annotations

import json
import os

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from hypothesis import given
from hypothesis import strategies as st

from app.vault import SealBroken, Vault, key_id_of

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
PLACE = ("connections", 7, "incarnation", 42, "sshes", "data", '{"host": "h"}')
SECRET = b"correct horse battery staple"
vault = Vault([("k1", KEY)])


def test_what_was_sealed_opens_at_its_place() -> None:
    for secret in (SECRET, b"", b"\x00", os.urandom(65536)):
        envelope = vault.seal(secret, *PLACE)
        assert vault.open(envelope, *PLACE) == secret
        assert len(secret) < 4 or secret not in envelope


def test_every_flipped_bit_is_noticed() -> None:
    envelope = vault.seal(SECRET, *PLACE)
    for position in range(len(envelope)):
        for bit in range(8):
            altered = bytearray(envelope)
            altered[position] ^= 1 << bit
            with pytest.raises(SealBroken):
                vault.open(bytes(altered), *PLACE)


def test_every_cut_and_every_byte_more_is_noticed() -> None:
    envelope = vault.seal(SECRET, *PLACE)
    for altered in (*(envelope[:end] for end in range(len(envelope))), envelope + b"\0", b"\0" + envelope):
        with pytest.raises(SealBroken):
            vault.open(altered, *PLACE)


@pytest.mark.parametrize(
    "nonsense", [b"", b"\x01", b"\x01\x02", b"\x01\xffk1", b"\x01\x02\xff\xff" + bytes(40), b"g" * 60, b"{}"]
)
def test_what_is_no_envelope_does_not_open(nonsense: bytes) -> None:
    with pytest.raises(SealBroken) as caught:
        vault.open(nonsense, *PLACE)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("position", range(len(PLACE)))
def test_every_part_of_the_place_counts(position: int) -> None:
    envelope = vault.seal(SECRET, *PLACE)
    part = PLACE[position]
    for changed in (
        f"{part}x",
        "",
        str(part) if isinstance(part, int) else 0,
        2**63,
        str(part).upper() + " ",
    ):
        elsewhere = (*PLACE[:position], changed, *PLACE[position + 1 :])
        with pytest.raises(SealBroken):
            vault.open(envelope, *elsewhere)


@pytest.mark.parametrize("place", [(), PLACE[:-1], (*PLACE, ""), PLACE[::-1], ("connections7", *PLACE[2:])])
def test_parts_of_the_place_do_not_run_together(place: tuple[str | int, ...]) -> None:
    envelope = vault.seal(SECRET, *PLACE)
    with pytest.raises(SealBroken):
        vault.open(envelope, *place)
    with pytest.raises(SealBroken):
        Vault([("k1", KEY)]).open(vault.seal(SECRET, "a", "b"), 'a","b')


def test_an_old_key_opens_and_the_new_one_seals() -> None:
    old, both = vault, Vault([("k2", OTHER), ("k1", KEY)])
    envelope = old.seal(SECRET, *PLACE)
    assert both.open(envelope, *PLACE) == SECRET
    fresh = both.seal(SECRET, *PLACE)
    assert (key_id_of(envelope), key_id_of(fresh), both.primary) == ("k1", "k2", "k2")
    assert both.key_ids == {"k1", "k2"} and both.open(fresh, *PLACE) == SECRET
    with pytest.raises(SealBroken):
        old.open(fresh, *PLACE)
    with pytest.raises(SealBroken):
        Vault([("k2", OTHER)]).open(envelope, *PLACE)  # the old key was removed too early


def test_a_wrong_key_of_the_same_id_does_not_open() -> None:
    with pytest.raises(SealBroken):
        Vault([("k1", OTHER)]).open(vault.seal(SECRET, *PLACE), *PLACE)


def test_an_envelope_cannot_be_passed_off_as_another_keys() -> None:
    twins = Vault([("k1", KEY), ("k2", KEY)])
    envelope = twins.seal(SECRET, *PLACE)
    with pytest.raises(SealBroken):
        twins.open(envelope.replace(b"k1", b"k2", 1), *PLACE)


def test_no_nonce_comes_twice() -> None:
    start = len(b"\x01\x02k1")
    nonces = {vault.seal(b"", *PLACE)[start : start + 12] for _ in range(10_000)}
    assert len(nonces) == 10_000


def test_neither_keys_nor_secrets_show() -> None:
    shown = [repr(vault), str(vault), f"{vault!r}"]
    try:
        vault.open(vault.seal(SECRET, *PLACE), "elsewhere")
    except SealBroken as broken:
        shown += [str(broken), repr(broken)]
    for text in shown:
        assert KEY.hex() not in text and repr(KEY)[2:-1] not in text and SECRET.decode() not in text
    assert "k1" in repr(vault)


# Sealed once, on the day this was written. What is stored in databases looks like this: if this test
# fails, every stored secret is lost. A new form takes a new first byte, and this one still opens.
STORED = bytes.fromhex("01026b316465666768696a6b6c6d6e6f7923aea979f8b692ec51cc9ae9b8f8af7672ac90ea910c")
STORED_PLACE = ("grants", 7, "abc", 42, "github", "tokens", '{"é": null}')


def test_the_stored_form_never_changes() -> None:
    assert vault.open(STORED, *STORED_PLACE) == "§ecret".encode()
    assert STORED[:4] == b"\x01\x02k1"


def test_the_layout_is_the_documented_one() -> None:
    """Version, length of the key id, key id, nonce, AES-256-GCM-SIV; bound to the header and the place."""
    envelope = vault.seal(SECRET, *STORED_PLACE)
    header, nonce, sealed = envelope[:4], envelope[4:16], envelope[16:]
    assert header == b"\x01\x02k1" and len(sealed) == len(SECRET) + 16
    bound = header + json.dumps(STORED_PLACE, separators=(",", ":")).encode("ascii")
    assert AESGCMSIV(KEY).decrypt(nonce, sealed, bound) == SECRET


places = st.lists(st.text() | st.integers(), max_size=8).map(tuple)
keys = st.tuples(st.from_regex(r"\A[A-Za-z0-9_-]{1,32}\Z"), st.binary(min_size=32, max_size=32))


@given(secret=st.binary(), place=places, key=keys)
def test_whatever_is_sealed_opens(
    secret: bytes, place: tuple[str | int, ...], key: tuple[str, bytes]
) -> None:
    one = Vault([key])
    assert one.open(one.seal(secret, *place), *place) == secret


@given(secret=st.binary(max_size=64), place=places, other=places)
def test_no_other_place_opens(
    secret: bytes, place: tuple[str | int, ...], other: tuple[str | int, ...]
) -> None:
    envelope = vault.seal(secret, *place)
    if other != place:
        with pytest.raises(SealBroken):
            vault.open(envelope, *other)


@given(envelope=st.binary(max_size=80))
def test_no_bytes_from_outside_open_or_break(envelope: bytes) -> None:
    with pytest.raises(SealBroken):
        vault.open(envelope, *PLACE)
