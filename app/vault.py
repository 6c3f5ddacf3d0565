"""The safe: seals and opens secrets. The only module that imports `cryptography`.

An envelope is  0x01 | length of key id | key id | 12 random bytes | AES-256-GCM-SIV ciphertext and tag
(RFC 8452). Its associated data is the header and the place where the secret lives, so an envelope that is
altered, or moved to another row, user, type or field, does not open. The first byte and the order of the
context are stored forms: they may never change; a new form takes a new first byte.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

VERSION = b"\x01"
NONCE_BYTES = 12


class SealBroken(Exception):
    """An envelope does not open here: altered, moved, or sealed with a key that we do not have."""


class Vault:
    """A ring of keys. The first seals; all of them open.

    A context is the place of a secret, most general first, as strings and integers:
    table, row id, incarnation, user id, type, field, and whatever else must not change unseen.
    """

    def __init__(self, keys: Sequence[tuple[str, bytes]]) -> None:
        self._ciphers = {key_id: AESGCMSIV(key) for key_id, key in keys}
        self.primary = keys[0][0]

    def __repr__(self) -> str:
        return f"<Vault keys={list(self._ciphers)}>"

    @property
    def key_ids(self) -> frozenset[str]:
        return frozenset(self._ciphers)

    def seal(self, plaintext: bytes, *context: str | int) -> bytes:
        """Return the envelope of `plaintext`, bound to `context`."""
        header = _header(self.primary)
        nonce = os.urandom(NONCE_BYTES)
        return header + nonce + self._ciphers[self.primary].encrypt(nonce, plaintext, _aad(header, context))

    def open(self, envelope: bytes, *context: str | int) -> bytes:
        """Return what was sealed under the same context, or raise SealBroken."""
        key_id = key_id_of(envelope)
        header = _header(key_id)
        nonce, sealed = envelope[len(header) :][:NONCE_BYTES], envelope[len(header) + NONCE_BYTES :]
        try:
            return self._ciphers[key_id].decrypt(nonce, sealed, _aad(header, context))
        except (KeyError, InvalidTag, ValueError):
            raise SealBroken("does not open") from None


def key_id_of(envelope: bytes) -> str:
    """Which key sealed this; raise SealBroken where it is no envelope of ours."""
    if envelope[:1] != VERSION or len(envelope) < 2:
        raise SealBroken("not an envelope")
    try:
        return envelope[2 : 2 + envelope[1]].decode("ascii")
    except UnicodeDecodeError:
        raise SealBroken("not an envelope") from None


def _header(key_id: str) -> bytes:
    return VERSION + bytes([len(key_id)]) + key_id.encode("ascii")


def _aad(header: bytes, context: Sequence[str | int]) -> bytes:
    return header + json.dumps(list(context), ensure_ascii=True, separators=(",", ":")).encode("ascii")
