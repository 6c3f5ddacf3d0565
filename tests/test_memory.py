"""What is remembered has an end, and takes no more room than it was given."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from app import memory
from app.memory import Memory


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which a test may change."""
    moment = [1000.0]
    monkeypatch.setattr(memory, "time", lambda: moment[0])
    return moment


def test_it_is_kept_until_its_end(moment: list[float]) -> None:
    kept: Memory[str, int] = Memory(2)
    kept.keep("a", 1, until=1010)
    for now, found in ((1000, 1), (1009.9, 1), (1010, None), (1011, None)):
        moment[0] = now
        assert kept.get("a") == found
        assert kept.several("ba") == [None, found]
    assert kept.get("b") is None


def test_the_oldest_make_room(moment: list[float]) -> None:
    kept: Memory[str, int] = Memory(2)
    for key, value in (("a", 1), ("b", 2), ("a", 3), ("c", 4)):
        kept.keep(key, value, until=2000)
    assert [kept.get(key) for key in "abc"] == [3, None, 4]


def test_threads_share_its_room() -> None:
    kept: Memory[int, int] = Memory(50)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: kept.keep(number % 300, number, until=2**40), range(5000)))
        found = list(pool.map(kept.get, range(300)))
    assert len(kept) == 50 == sum(one is not None for one in found)
