"""What is counted here is what `limits` counts: the same hits pass, and the same wait is told."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from app.http.windows import Window

CALLERS = [f"user:{number}" for number in range(5)]


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which a test may change."""
    moment = [1_800_000_000.0]
    monkeypatch.setattr(time, "time", lambda: moment[0])
    return moment


@pytest.fixture
def theirs() -> SlidingWindowCounterRateLimiter:
    """Theirs, without the thread that forgets what has ended: it runs into whoever counts."""
    storage = MemoryStorage()
    storage.timer.join()
    storage.timer = SimpleNamespace(is_alive=lambda: True)  # type: ignore[assignment]
    return SlidingWindowCounterRateLimiter(storage)


def window(item: RateLimitItem) -> Window:
    return Window(item.amount, item.get_expiry())


def theirs_of(theirs: SlidingWindowCounterRateLimiter, item: RateLimitItem, who: str) -> float | None:
    if theirs.hit(item, who):
        return None
    return theirs.get_window_stats(item, who).reset_time - time.time()


@pytest.mark.parametrize("text", ["2/second", "3/minute", "20/minute", "7/10 seconds", "5/hour", "1/day"])
@pytest.mark.parametrize("seed", range(3))
def test_thousands_of_hits_are_judged_as_by_limits(
    moment: list[float], theirs: SlidingWindowCounterRateLimiter, text: str, seed: int
) -> None:
    item, chance, refused = parse(text), random.Random(seed), 0
    ours, usual = window(item), item.get_expiry() / item.amount / len(CALLERS)
    for _ in range(3000):
        steps = 0, usual, 2 * usual * chance.random(), item.get_expiry() * chance.random()
        moment[0] += chance.choices(steps, (10, 10, 10, 1))[0]
        moment[0] = round(moment[0], chance.choice((0, 6)))
        who = chance.choice(CALLERS)
        expected = theirs_of(theirs, item, who)
        assert ours.hit(who) == (expected if expected is None else pytest.approx(expected, abs=1e-4))
        refused += expected is not None
    assert 100 < refused < 2900, "both happen"


def test_two_windows_later_all_is_forgotten(moment: list[float]) -> None:
    ours = Window(1, 60)
    for number in range(1000):
        assert ours.hit(f"user:{number}") is None
    moment[0] += 120
    assert ours.hit("user:0") is None
    assert len(ours._counts) + len(ours._before) == 1


def test_a_clock_that_is_set_back_locks_nobody_out(moment: list[float]) -> None:
    ours = Window(1, 60)
    assert ours.hit("user:0") is None
    moment[0] -= 86400
    assert ours.hit("user:0") is None
    assert ours.hit("user:0") is not None


def test_threads_count_together() -> None:
    ours, threads = Window(100, 86400), threading.active_count()
    with ThreadPoolExecutor(8) as pool:
        passed = sum(wait is None for wait in pool.map(ours.hit, ["user:0"] * 2000))
    assert passed in (100, 200), "200 where the day has just ended"
    assert threading.active_count() == threads, "it needs none of its own"
