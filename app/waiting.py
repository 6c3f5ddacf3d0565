"""Where a thread waits for others, or computes what needs no interpreter: others may be served meanwhile.

A server whose threads take turns says here how: gunicorn.conf.py does. Elsewhere a wait is only a wait.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

Block = Callable[[], AbstractContextManager[None]]


class Waiting:
    """`long` is for a block that waits long, `brief` for one that may: it keeps a turn that nobody wants."""

    long: Block = nullcontext
    brief: Block = nullcontext

    def is_told(self, *, long: Block, brief: Block) -> None:
        self.long, self.brief = long, brief


waiting = Waiting()
