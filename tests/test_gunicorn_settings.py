"""The numbers of gunicorn.conf.py agree with those of the application."""

from __future__ import annotations

import runpy

from app.models import budget, engines
from app.oauth.outbound import TOTAL
from app.services.tokens import LONGEST_WAIT
from tests.support.databases import ROOT

SETTINGS = runpy.run_path(str(ROOT / "gunicorn.conf.py"))


def test_each_thread_finds_a_connection() -> None:
    """And so does the one that replays the spool."""
    pool = engines.options("postgresql://somewhere/something")
    assert SETTINGS["threads"] <= pool["pool_size"]
    assert SETTINGS["threads"] + 1 <= pool["pool_size"] + pool["max_overflow"]


def test_a_worker_that_stops_lets_every_request_end() -> None:
    assert SETTINGS["graceful_timeout"] > LONGEST_WAIT + TOTAL + budget.REQUEST
    assert SETTINGS["timeout"] > SETTINGS["graceful_timeout"]
