"""A node ends while many ask: told to, it loses nothing; killed, it loses what it had in hand."""

from __future__ import annotations

import itertools
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import requests

from tests.deploy.site import URL, Site, kill, workers_of
from tests.support.service import User

CALLERS = 4


@dataclass
class Crowd:
    """Callers who write and read in turns, each on a connection that it keeps."""

    site: Site
    user: User
    answers: list[tuple[str, int]] = field(default_factory=list)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        stop = Event()
        with ThreadPoolExecutor(CALLERS) as threads:
            callers = [threads.submit(self._ask, stop) for _ in range(CALLERS)]
            try:
                yield
            finally:
                stop.set()
            for caller in callers:
                caller.result()

    def wait_for(self, more: int) -> None:
        """Return when so many more answers have come."""
        wanted = len(self.answers) + more
        wait_until(lambda: len(self.answers) >= wanted)

    def stored(self) -> Counter[str]:
        listed = self.user.call("GET", f"/api/users/{self.user.username}/get/connections").json()
        return Counter(connection["name"] for connection in listed["connections"])

    def _ask(self, stop: Event) -> None:
        caller = uuid.uuid4().hex
        home = f"{URL}/api/users/{self.user.username}"
        with self.site.session() as session:
            session.headers.update(self.user.headers)
            for number in itertools.count():
                if stop.is_set():
                    return
                name = f"{caller}-{number}"
                body = {"name": name, "type": "custom", "data": {"k": "v"}}
                self.answers.append((name, status_of(session, "POST", f"{home}/add/connection", json=body)))
                self.answers.append(("", status_of(session, "GET", f"{home}/check/connection/1")))


def wait_until(happened: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)


def status_of(session: requests.Session, method: str, url: str, **kwargs: Any) -> int:
    """Return the status, or 0 where the answer broke off."""
    try:
        return session.request(method, url, timeout=60, **kwargs).status_code
    except requests.exceptions.ChunkedEncodingError:
        return 0


def crowd_of(site: Site) -> Crowd:
    return Crowd(site, site.user(f"user-{uuid.uuid4().hex[:12]}"))


def test_a_node_that_is_told_to_end_loses_nothing(own_site: Site) -> None:
    crowd = crowd_of(own_site)
    with crowd.at_work():
        crowd.wait_for(40)
        own_site.nodes[0].process.terminate()
        assert own_site.nodes[0].wait_for_end() == 0
        crowd.wait_for(40)
    assert Counter(status for name, status in crowd.answers if name).keys() == {201}
    assert Counter(status for name, status in crowd.answers if not name).keys() == {200}
    assert crowd.stored() == Counter(name for name, _ in crowd.answers if name)


def test_a_node_that_begins_anew_loses_nothing(site: Site) -> None:
    """As `systemctl reload latchkey` has it do, after an upgrade."""
    crowd, node = crowd_of(site), site.nodes[0]
    with crowd.at_work():
        crowd.wait_for(40)
        before = workers_of(node)
        node.process.send_signal(signal.SIGHUP)
        wait_until(lambda: workers_of(node) and not workers_of(node) & before)
        crowd.wait_for(40)
    assert {status for _, status in crowd.answers} == {200, 201}


def test_a_node_that_is_killed_loses_what_it_had_in_hand(own_site: Site) -> None:
    crowd = crowd_of(own_site)
    with crowd.at_work():
        crowd.wait_for(40)
        kill(own_site.nodes[0])
        crowd.wait_for(200)
    failed = [(name, status) for name, status in crowd.answers if status not in (200, 201)]
    assert len(failed) <= CALLERS and {status for _, status in failed} <= {0, 500}, failed
    assert all(name or not status for name, status in failed), "what was to be read is read elsewhere"
    stored = crowd.stored()
    assert set(stored.values()) == {1}, "nothing is stored twice"
    assert {name for name, status in crowd.answers if status == 201} <= set(stored)
    assert all(status in (200, 201) for _, status in crowd.answers[-100:])
