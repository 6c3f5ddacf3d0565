"""The faults that wait for a provider's next requests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ENDPOINTS = {"authorize", "token", "refresh", "long_lived", "revoke", "identity"}


@dataclass
class Fault:
    """``left`` counts the requests it still spoils; 0 means until it is cleared."""

    endpoint: str
    kind: str
    left: int
    parameters: Mapping[str, Any]

    def number(self, name: str, default: float) -> float:
        return float(self.parameters.get(name, default))


class FaultBoard:
    """Only touched while the world's lock is held. The first fault that fits is taken."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._faults.append(fault)

    def clear(self) -> None:
        self._faults.clear()

    def take(self, endpoint: str) -> Fault | None:
        fault = next((f for f in self._faults if f.endpoint == endpoint), None)
        if fault is not None and fault.left:
            fault.left -= 1
            if fault.left == 0:
                self._faults.remove(fault)
        return fault

    def waiting(self) -> list[dict[str, Any]]:
        return [
            {"endpoint": f.endpoint, "kind": f.kind, "times": f.left, **f.parameters} for f in self._faults
        ]
