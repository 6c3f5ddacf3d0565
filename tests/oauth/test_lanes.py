"""Lanes: the first who come to a provider wait as long as they must, the others a moment, or not at all."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack

import pytest

from app.errors import ProviderBusy
from app.oauth import lanes
from app.oauth.lanes import Lanes
from app.providers import provider_named

GITHUB, SPOTIFY = provider_named("github"), provider_named("spotify")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "PATIENCE", 0.2)


def held(stack: ExitStack, one: Lanes, count: int) -> None:
    """Let so many others come in first, and stay."""
    for _ in range(count):
        stack.enter_context(one.visit(GITHUB))


def test_the_first_have_the_lanes() -> None:
    one = Lanes(most=2)
    with one.visit(GITHUB) as first, one.visit(GITHUB) as second, one.visit(GITHUB) as third:
        assert [visit.has_lane() for visit in (first, second, third)] == [True, True, False]
        with one.visit(SPOTIFY) as elsewhere:
            assert elsewhere.has_lane()
    with one.visit(GITHUB) as again:
        assert again.has_lane()


def test_without_a_number_everybody_has_one() -> None:
    one = Lanes()
    with ExitStack() as stack:
        held(stack, one, 100)
        with one.visit(GITHUB) as visit:
            assert visit.has_lane() and not visit.must_leave()


def test_whoever_has_no_lane_waits_a_moment_and_leaves() -> None:
    one = Lanes(most=1)
    with ExitStack() as stack:
        held(stack, one, 1)
        with one.visit(GITHUB) as visit:
            assert not visit.must_leave()
            time.sleep(0.25)
            assert visit.must_leave()
        with one.visit(GITHUB) as late:
            assert late.must_leave(), "that it is slow is known by now"
        with pytest.raises(ProviderBusy), one.enter(GITHUB):
            pass
    with one.enter(GITHUB):
        pass


def test_a_lane_that_becomes_free_is_taken() -> None:
    one, entered = Lanes(most=1), threading.Event()

    def come() -> None:
        with one.enter(GITHUB):
            entered.set()

    with one.enter(GITHUB):
        other = threading.Thread(target=come)
        other.start()
        assert not entered.wait(0.05)
    assert entered.wait(1)
    other.join()


def test_a_thread_keeps_the_lane_that_it_has() -> None:
    one = Lanes(most=1)
    with one.enter(GITHUB), one.enter(GITHUB):
        pass
    with pytest.raises(ProviderBusy), ExitStack() as stack:
        held(stack, one, 1)
        stack.enter_context(one.enter(GITHUB))
