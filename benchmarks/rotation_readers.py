"""Readers who ask for random connections over HTTP, and go over from one server to the next without a gap."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event, Thread

import jwt
import requests

from tests.support.filling import data_of
from tests.support.settings import JWT_SECRET_KEY

PATIENCE = 30  # seconds for one answer


@dataclass(frozen=True, slots=True)
class Row:
    """A stored connection: whose it is, and the number that its data is made of."""

    id: int
    number: int
    user_id: int
    username: str


class Readers:
    """As many threads, each of which asks for one row after the other, wherever it is told to."""

    def __init__(self, rows: Sequence[Row], url: str, number: int) -> None:
        self.reads = [0] * number
        self.failed: list[str] = []
        self._rows, self._url = rows, url
        self._stop = Event()
        self._at = [url] * number
        self._threads = [Thread(target=self._read, args=[n]) for n in range(number)]
        for thread in self._threads:
            thread.start()

    def go_over_to(self, url: str) -> None:
        """Return when everybody asks there, and nobody waits for an answer from elsewhere."""
        self._url = url
        while any(at != url for at in self._at) and not self._stop.is_set():
            time.sleep(0.01)

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _read(self, n: int) -> None:
        while not self._stop.is_set():
            self._at[n] = self._url
            row = random.choice(self._rows)
            found = self._ask(self._at[n], row)
            self.reads[n] += 1
            if found != data_of(row.number):
                self.failed.append(f"row {row.id}: {found}")

    def _ask(self, url: str, row: Row) -> object:
        """Return the data of a row, or whatever came instead."""
        claims = {"user_id": row.user_id, "exp": int(time.time()) + 3600}
        headers = {"Authorization": f"Bearer {jwt.encode(claims, JWT_SECRET_KEY, 'HS256')}"}
        path = f"/api/users/{row.username}/get/connection/{row.id}"
        try:
            answer = requests.get(url + path, headers=headers, timeout=PATIENCE)
        except requests.RequestException as error:
            return type(error).__name__
        return answer.json()["data"] if answer.status_code == 200 else f"{answer.status_code} {answer.text}"
