"""Invented but stable numbers for invented users, so that they survive a restart and a reset."""

import hashlib


def number(name: str, digits: int) -> str:
    """A decimal number of exactly so many digits, always the same for the same name."""
    value = int.from_bytes(hashlib.sha256(name.encode()).digest())
    return "1" + str(value % 10 ** (digits - 1)).zfill(digits - 1)


def full_name(key: str) -> str:
    known = {"ada": "Ada Lovelace", "grace": "Grace Hopper"}
    return known.get(key, key.replace("_", " ").title())


def email(key: str) -> str:
    return f"{key}@example.com"
