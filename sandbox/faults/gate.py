"""A gate at which requests wait until the test lets them go on."""

import threading


class Gate:
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._opened = 0
        self.held = 0

    def wait(self, limit: float) -> None:
        """Wait for the next release, or at most ``limit`` seconds."""
        with self._changed:
            arrived = self._opened
            self.held += 1
            self._changed.wait_for(lambda: self._opened != arrived, limit)
            self.held -= 1

    def release(self) -> int:
        """Let everyone go who is waiting now, and say how many that were."""
        with self._changed:
            self._opened += 1
            self._changed.notify_all()
            return self.held
