"""The whole sandbox: five realms, one lock, one log."""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from sandbox.engine import switches
from sandbox.engine.journal import Journal
from sandbox.engine.provider import Provider
from sandbox.engine.realm import Realm
from sandbox.faults.board import FaultBoard
from sandbox.faults.gate import Gate
from sandbox.store import Store

T = TypeVar("T")
STARTERS = ("ada", "grace")


class World:
    """``lock`` guards everything in the realms, the fault boards and the log."""

    def __init__(self, providers: Sequence[Provider], store: Store | None = None) -> None:
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self.store = store
        self.journal = Journal()
        self.providers = {provider.name: provider for provider in providers}
        self.boards = {name: FaultBoard() for name in self.providers}
        self.gates = {name: Gate() for name in self.providers}
        self.realms = {provider.name: fresh(provider) for provider in providers}
        if store is not None:
            store.load(self.realms)

    def transact(self, work: Callable[[], T]) -> T:
        """Do one thing alone; what it changed is on disk before anyone hears of it."""
        with self.lock:
            try:
                return work()
            finally:
                if self.store is not None:
                    self.store.save(self.realms)

    def reset(self) -> None:
        """A fresh start. Clients stay, and so does the list of every secret ever issued."""
        for name, provider in self.providers.items():
            old, new = self.realms[name], fresh(provider)
            new.clients, new.issued = old.clients, old.issued
            self.realms[name] = new
            self.boards[name].clear()
            self.gates[name].release()
        self.journal.clear()


def switches_of(provider: Provider) -> dict[str, switches.Switch]:
    return {**switches.COMMON, **provider.switches}


def fresh(provider: Provider) -> Realm:
    values = switches.defaults(switches_of(provider))
    return Realm(provider.name, values, [provider.account(key) for key in STARTERS])
