"""The command line at a real terminal: what a person sees there, what they type, and what goes past it."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from tests.support.databases import ROOT
from tests.support.processes import only


@dataclass(frozen=True)
class Session:
    """How a command ended, what the terminal showed, and what went to stdout where that is a pipe."""

    status: int
    shown: str
    piped: str


def at_terminal(
    environ: Mapping[str, str], *words: str, typed: str = "", columns: int = 80, piped: bool = False
) -> Session:
    """Run `flask --app wsgi` with these words at a terminal; `piped` sends its stdout elsewhere."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "wsgi", *words],
        cwd=ROOT,
        env={**only(environ), "TERM": "xterm"},
        stdin=theirs,
        stdout=subprocess.PIPE if piped else theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, typed.encode())
    shown = b""
    with suppress(OSError), os.fdopen(ours, "rb", buffering=0) as terminal:  # which ends with an error
        while piece := terminal.read(4096):
            shown += piece
    out, _ = process.communicate(timeout=20)
    return Session(process.returncode, shown.decode().replace("\r\n", "\n"), (out or b"").decode())
