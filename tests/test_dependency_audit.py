"""`make audit` tells what is known to be weak from what nobody could be asked about."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import audit_dependencies
from benchmarks.audit_dependencies import locked, verdict

SOUND = {"name": "sound", "version": "1", "vulns": []}
WEAK = {"name": "weak", "version": "2", "vulns": [{"id": "X-1", "fix_versions": ["3"]}]}
UNKNOWN = {"name": "unknown", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("answers", "lines", "status"),
    [
        ([SOUND], ["1 locked packages; known weaknesses: 0, accepted: 0."], 0),
        (
            [SOUND, WEAK, UNKNOWN],
            [
                "weak 2: X-1, mended in 3",
                "Nothing is known of: unknown.",
                "3 locked packages; known weaknesses: 1, accepted: 0.",
            ],
            1,
        ),
        (
            [SOUND, UNKNOWN],
            ["Nothing is known of: unknown.", "2 locked packages; known weaknesses: 0, accepted: 0."],
            2,
        ),
    ],
    ids=["sound", "weak", "unknown"],
)
def test_what_is_said(answers: list[dict[str, Any]], lines: list[str], status: int) -> None:
    assert verdict(answers) == (lines, status)


def test_what_is_accepted_is_said_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_dependencies, "ACCEPTED", {"X-1": "never called"})
    lines, status = verdict([WEAK])
    assert lines[0] == "weak 2: X-1, mended in 3; accepted: never called" and status == 0


def test_without_an_answer_nothing_is_called_sound(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit_dependencies, "ask", lambda pins: [UNKNOWN])
    assert audit_dependencies.main() == 2
    assert (
        capsys.readouterr().out == "The advisories cannot be reached: nothing is known of what is locked.\n"
    )


def test_everything_that_is_locked_is_asked_about() -> None:
    pins = {pin.split("==")[0] for pin in locked()}
    assert {"flask", "cryptography", "gunicorn", "pytest", "pip-audit"} <= pins
    assert all(pin.count("==") == 1 and not pin.endswith("==") for pin in locked())
