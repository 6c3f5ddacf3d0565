"""What a password or a passphrase costs: as the service has it, and less for the many of the tests."""

from __future__ import annotations

import os

from argon2 import PasswordHasher

from app.services import passwords
from app.vault import SALT_BYTES, Stretching

COSTLY = passwords._hasher
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def cheaply_stretched() -> Stretching:
    """The least that a file may say."""
    return Stretching(os.urandom(SALT_BYTES), passes=2, memory=19456, lanes=1)
