"""The safe: seals and opens secrets. The only module that imports `cryptography`.

An envelope is  0x01 | length of key id | key id | 12 random bytes | AES-256-GCM-SIV ciphertext and tag
(RFC 8452). Its associated data is the header and the place where the secret lives, so an envelope that is
altered, or moved to another row, user, type or field, does not open. The first byte and the order of the
context are stored forms: they may never change; a new form takes a new first byte.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import normalize

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

VERSION = b"\x01"
NONCE_BYTES = 12
KEY_BYTES = 32
SALT_BYTES = 16

_KEY_ID = re.compile(rb"[A-Za-z0-9_-]{1,32}")
_JSON = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))


class SealBroken(Exception):
    """An envelope does not open here: altered, moved, or sealed with a key that we do not have."""


class Vault:
    """A ring of keys. The first seals; all of them open.

    A context is the place of a secret, most general first, as strings and integers:
    table, row id, incarnation, user id, type, field, and whatever else must not change unseen.
    """

    def __init__(self, keys: Sequence[tuple[str, bytes]]) -> None:
        self._ciphers = {_header(key_id): AESGCMSIV(key) for key_id, key in keys}
        self.key_ids = frozenset(key_id for key_id, _ in keys)
        self.primary = keys[0][0]
        self._header = _header(self.primary)

    def __repr__(self) -> str:
        return f"<Vault keys={sorted(self.key_ids)}>"

    def seal(self, plaintext: bytes, *context: str | int) -> bytes:
        """Return the envelope of `plaintext`, bound to `context`."""
        header, nonce = self._header, os.urandom(NONCE_BYTES)
        return header + nonce + self._ciphers[header].encrypt(nonce, plaintext, _aad(header, context))

    def open(self, envelope: bytes, *context: str | int) -> bytes:
        """Return what was sealed under the same context, or raise SealBroken."""
        try:
            header = envelope[: 2 + envelope[1]]
            nonce, sealed = envelope[len(header) :][:NONCE_BYTES], envelope[len(header) + NONCE_BYTES :]
            return self._ciphers[header].decrypt(nonce, sealed, _aad(header, context))
        except (IndexError, KeyError, InvalidTag, ValueError):
            raise SealBroken("does not open") from None

    def is_current(self, envelope: bytes) -> bool:
        """Tell whether the primary key has sealed this."""
        return envelope.startswith(self._header)

    def reseal(self, envelope: bytes, *context: str | int) -> bytes:
        """Return the envelope of the same secret under the primary key, or raise SealBroken."""
        return self.seal(self.open(envelope, *context), *context)


@dataclass(frozen=True, slots=True)
class Stretching:
    """How a key is made of a passphrase, by Argon2id; `memory` is in KiB.

    Raises ValueError for less than OWASP's Password Storage Cheat Sheet wants, and for more than a file of
    somebody else's may cost the one who opens it.
    """

    salt: bytes
    passes: int
    memory: int
    lanes: int

    def __post_init__(self) -> None:
        sound = 2 <= self.passes <= 10 and 19456 <= self.memory <= 262144 and 1 <= self.lanes <= 16
        if not sound or len(self.salt) != SALT_BYTES:
            raise ValueError("not a cost of Argon2id that is accepted")

    @classmethod
    def new(cls) -> Stretching:
        """Return the second recommendation of RFC 9106, section 4, with a salt that nobody has."""
        return cls(os.urandom(SALT_BYTES), passes=3, memory=65536, lanes=4)

    def vault(self, passphrase: str) -> Vault:
        """Return the vault whose only key is made of this passphrase, however its letters are composed."""
        key = hash_secret_raw(
            normalize("NFC", passphrase).encode("utf-8"),
            self.salt,
            time_cost=self.passes,
            memory_cost=self.memory,
            parallelism=self.lanes,
            hash_len=KEY_BYTES,
            type=Type.ID,
        )
        return Vault([("passphrase", key)])


def key_id_of(envelope: bytes) -> str:
    """Which key sealed this; raise SealBroken where it is no envelope of ours."""
    if envelope[:1] == VERSION and len(envelope) > 1:
        key_id = envelope[2 : 2 + envelope[1]]
        if len(key_id) == envelope[1] and _KEY_ID.fullmatch(key_id):
            return key_id.decode("ascii")
    raise SealBroken("not an envelope")


def is_key_id(text: str) -> bool:
    """Tell whether a key may be called so: 1 to 32 letters, digits, dashes and underscores."""
    return _KEY_ID.fullmatch(text.encode("utf-8", "surrogateescape")) is not None


def new_key() -> str:
    """Return a key that nobody has, as base64."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode("ascii")


def _header(key_id: str) -> bytes:
    return VERSION + bytes([len(key_id)]) + key_id.encode("ascii")


def _aad(header: bytes, context: Sequence[str | int]) -> bytes:
    return header + _JSON.encode(list(context)).encode("ascii")
