"""How often one caller may ask: counted in Redis, or in each process where there is none or it is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import wraps
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from threading import Event, Thread
from typing import Any

from flask import Flask, current_app, request
from limits import RateLimitItem, parse_many
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis import RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.errors import TooManyRequests
from config import Config, RateLimits

from .marks import View, mark
from .windows import Window

PATIENCE = 0.2  # seconds for Redis; then each process counts by itself
PROBE = 2.0  # seconds between two looks whether it is back

log = logging.getLogger(__name__)


class Limits:
    """Counts what callers ask for, by a word of RateLimits and who they are."""

    def __init__(self, rates: RateLimits, redis_url: str | None) -> None:
        self._limits: Mapping[str, list[tuple[RateLimitItem, Window]]] = {
            word: [
                (item, Window(item.amount, item.get_expiry())) for item in parse_many(getattr(rates, word))
            ]
            for word in RateLimits.__slots__
        }
        self._shared = None if redis_url is None else SlidingWindowCounterRateLimiter(_redis(redis_url))
        self._away = Event()  # Redis is, and a thread looks for it

    def count(self, word: str, who: str) -> None:
        """Count one request. Raises TooManyRequests with the seconds to wait."""
        for item, here in self._limits[word]:
            wait = here.hit(who) if self._shared is None else self._hit(self._shared, item, here, word, who)
            if wait is not None:
                raise TooManyRequests(retry_after=max(1, ceil(wait)))

    def _hit(
        self,
        shared: SlidingWindowCounterRateLimiter,
        item: RateLimitItem,
        here: Window,
        word: str,
        who: str,
    ) -> float | None:
        if not self._away.is_set():
            try:
                return _hit(shared, item, word, who)
            except RedisError as error:
                self._do_without(shared, error)
        return here.hit(who)

    def _do_without(self, shared: SlidingWindowCounterRateLimiter, error: RedisError) -> None:
        """Count here until Redis answers again. A thread looks for it, so that no request waits for it."""
        if not self._away.is_set():
            self._away.set()
            log.error("Redis does not count: %s", type(error).__name__)
            Thread(target=self._look_for, args=[shared], daemon=True).start()

    def _look_for(self, shared: SlidingWindowCounterRateLimiter) -> None:
        while not shared.storage.check():
            time.sleep(PROBE)
        self._away.clear()


def register(app: Flask, config: Config) -> None:
    """Count every request of this application, unless the limits are switched off."""
    if config.rate_limits is not None:
        app.extensions["latchkey.limits"] = Limits(config.rate_limits, config.redis_url)
        app.before_request(_counting_in(app))


def counted_by_view(view: View) -> View:
    """Mark a view that counts its caller by itself, when it knows who that is."""
    return mark(view, TooManyRequests, counts=True)


def limited(word: str) -> Callable[[View], View]:
    """Count the request by its address, under this word of RateLimits."""

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            count(word, address())
            return view(*args, **kwargs)

        return counted_by_view(wrapped)

    return decorate


def count(word: str, who: str) -> None:
    """Count a request of this caller. Raises TooManyRequests."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    limits: Limits | None = app.extensions.get("latchkey.limits")
    if limits is not None:
        limits.count(word, who)


def address() -> str:
    """Return who asks where nobody is known: the address, or the network that one IPv6 customer has."""
    try:
        found = ip_address(request.remote_addr or "")
    except ValueError:
        return "address:unknown"
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return f"network:{ip_network((found, 64), strict=False)}"
    return f"address:{getattr(found, 'ipv4_mapped', None) or found}"


def _counting_in(app: Flask) -> Callable[[], None]:
    """Return what counts what no view counts: pages, files, and what is not there."""
    views = app.view_functions

    def count_by_address() -> None:
        view = views.get(request.endpoint or "")
        if not getattr(view, "counts", False) and request.blueprint != "health":
            count("default", address())

    return count_by_address


def _hit(limiter: SlidingWindowCounterRateLimiter, item: RateLimitItem, *who: str) -> float | None:
    """Count one; return how long to wait in seconds, or None where it may pass."""
    if limiter.hit(item, *who):
        return None
    return limiter.get_window_stats(item, *who).reset_time - time.time()


def _redis(url: str) -> RedisStorage:
    url = url.replace("unix://", "redis+unix://", 1) if url.startswith("unix://") else url
    once: Any = Retry(NoBackoff(), 0)
    return RedisStorage(
        url, key_prefix="limit", retry=once, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE
    )
