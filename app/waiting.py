"""Where a thread waits for others, or computes what needs no interpreter: others may be served meanwhile.

A server whose threads take turns says here how: gunicorn.conf.py does. Elsewhere a wait is only a wait, and
each request is served as if there were no other.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

Block = Callable[[], AbstractContextManager[None]]


class Waiting:
    """`long` is for a block that waits long, `brief` for one that may: it keeps a turn that nobody wants.

    `has_company` tells whether other requests are served in the same breath.
    """

    long: Block = nullcontext
    brief: Block = nullcontext
    has_company: Callable[[], bool] = staticmethod(lambda: False)

    def is_told(self, *, long: Block, brief: Block, has_company: Callable[[], bool]) -> None:
        self.long, self.brief, self.has_company = long, brief, has_company


waiting = Waiting()
