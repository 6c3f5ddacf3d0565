"""python -m benchmarks.canaries: how much the searches for secrets look through, and what they find.

The searches are tests, of everything that a run leaves behind and shows: logs at DEBUG, tables, sessions,
files, answers, command lines. Each secret is looked for as it is, as base64, as hex and URL-encoded.
"""

from __future__ import annotations

import sys

import pytest

from tests.support.canary import SEARCHED

TESTS = ("tests/e2e/test_canary.py", "tests/e2e/test_canary_on_postgresql.py")
WANTED = "test_nothing_is_left_behind"


class Reports:
    """What the tests said of themselves, as pytest collects it."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        told = dict(report.user_properties)
        if report.when == "call" and told:
            numbers = "".join(f"{told[name]:>12,}" for name in SEARCHED)
            self.lines.append(f"{numbers}  {report.nodeid.partition('::')[0]}")


def main() -> int:
    reports = Reports()
    status = pytest.main(["-q", "--no-summary", "-k", WANTED, *TESTS], plugins=[reports])
    print("".join(f"{name:>12}" for name in SEARCHED), *reports.lines, sep="\n")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
