"""Typed connections by the thousand, put in beside the service that would add them one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Flask

from app.extensions import db, vault
from app.models import Connection

AT_ONCE = 5000


def data_of(number: int) -> dict[str, Any]:
    """Return the data of the connection that was filled in with this number."""
    return {
        "host": f"192.0.2.{number % 256}",
        "username": f"u{number}",
        "password": f"the secret of {number}",
    }


def fill(app: Flask, user_ids: Sequence[int], count: int) -> list[int]:
    """Add so many SSH connections, to each of these users in turn; return their ids, in order."""
    ids: list[int] = []
    with app.app_context():
        while len(ids) < count:
            first = len(ids)
            ids += _add(range(first, min(first + AT_ONCE, count)), user_ids)
    return ids


def _add(numbers: range, user_ids: Sequence[int]) -> list[int]:
    rows = [
        Connection(user_id=user_ids[number % len(user_ids)], name="", type="sshes", outline={}, sealed=b"")
        for number in numbers
    ]
    db.session.add_all(rows)
    db.session.flush()
    for number, row in zip(numbers, rows, strict=True):
        data = data_of(number)
        hidden = {"password": data.pop("password")}
        row.seal(vault, data, hidden, order=[*data, *hidden])
    ids = [row.id for row in rows]
    db.session.commit()
    db.session.expunge_all()
    return ids
