"""python -m benchmarks.audit_dependencies: whether anything that is locked has a known weakness.

pip-audit asks. Exits with 0 where nothing is known but what ACCEPTED names, with 1 where something is, and
with 2 where the advisories cannot be reached: pip-audit passes a package that it could not look up.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PIP_AUDIT = Path(sys.executable).with_name("pip-audit")
LOCKS = ("requirements.txt", "requirements-dev.txt")
ACCEPTED: dict[str, str] = {}  # the id of an advisory: why it does no harm here
WEAK = "flask==0.12.2"  # has advisories, so that an answer without one is no answer

Answers = Sequence[dict[str, Any]]


def main() -> int:
    if not any(one.get("vulns") for one in ask([WEAK])):
        print("The advisories cannot be reached: nothing is known of what is locked.")
        return 2
    lines, status = verdict(ask(locked()))
    print(*lines, sep="\n")
    return status


def locked() -> list[str]:
    """Return every locked package as `name==version`, those of other systems too."""
    texts = [(ROOT / name).read_text() for name in LOCKS]
    return sorted({pin for text in texts for pin in re.findall(r"^[\w.-]+==[\w.+!-]+", text, re.MULTILINE)})


def ask(pins: Iterable[str]) -> Answers:
    """Return what pip-audit says of each package; nothing where it failed."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(pins))
        file.flush()
        options = ["--no-deps", "--disable-pip", "--progress-spinner=off", "--format=json"]
        asked = subprocess.run([PIP_AUDIT, *options, "-r", file.name], capture_output=True, text=True)
    try:
        answers: Answers = json.loads(asked.stdout)["dependencies"]
    except ValueError:
        print("pip-audit:", *asked.stderr.splitlines()[-1:], file=sys.stderr)
        return []
    return answers


def verdict(answers: Answers) -> tuple[list[str], int]:
    """Return what to print, and the exit status."""
    weak = [(one, advisory) for one in answers for advisory in one.get("vulns", ())]
    unknown = [one["name"] for one in answers if "skip_reason" in one]
    harmless = sum(advisory["id"] in ACCEPTED for _, advisory in weak)
    lines = [told(one, advisory) for one, advisory in weak]
    if unknown:
        lines.append(f"Nothing is known of: {', '.join(unknown)}.")
    lines.append(f"{len(answers)} locked packages; known weaknesses: {len(weak)}, accepted: {harmless}.")
    return lines, 1 if harmless < len(weak) else 2 if unknown else 0


def told(one: dict[str, Any], advisory: dict[str, Any]) -> str:
    mended = ", ".join(advisory["fix_versions"]) or "no version yet"
    line = f"{one['name']} {one['version']}: {advisory['id']}, mended in {mended}"
    why = ACCEPTED.get(advisory["id"])
    return line if why is None else f"{line}; accepted: {why}"


if __name__ == "__main__":
    sys.exit(main())
