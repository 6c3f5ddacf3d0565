"""Playing one fault out: before the provider's work, instead of it, or after it."""

import threading
from collections.abc import Callable

from flask import Response

from sandbox.engine.provider import Provider
from sandbox.faults.board import Fault
from sandbox.faults.gate import Gate
from sandbox.faults.replies import REPLIES
from sandbox.faults.wire import SPOILERS, hang_up

LONGEST_HOLD = 120.0
KINDS = {*REPLIES, *SPOILERS, "slow", "hold", "hold_after", "hang"}


def play(
    fault: Fault, provider: Provider, gate: Gate, stopping: threading.Event, work: Callable[[], Response]
) -> Response:
    """The spoilt answer. Runs without the world's lock; ``work`` takes it by itself."""
    if fault.kind in REPLIES:
        return REPLIES[fault.kind](provider, fault)
    if fault.kind in SPOILERS:
        return SPOILERS[fault.kind](work(), fault)
    if fault.kind == "hang":
        stopping.wait(fault.number("seconds", LONGEST_HOLD))
        return hang_up()
    if fault.kind == "hold_after":
        answer = work()
        gate.wait(LONGEST_HOLD)
        return answer
    if fault.kind == "slow":
        stopping.wait(fault.number("seconds", 1))
    else:
        gate.wait(LONGEST_HOLD)
    return work()
