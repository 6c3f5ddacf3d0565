"""Time that passes when a test says so."""

from __future__ import annotations

import time


class Clock:
    """Stands in for time.monotonic."""

    def __init__(self) -> None:
        self.passed = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.passed

    def pass_(self, seconds: float) -> None:
        self.passed += seconds
