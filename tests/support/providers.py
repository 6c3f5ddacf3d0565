"""The sandbox as a process of its own, and the clients that each service registers with it."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import requests

from sandbox.driver import Control
from sandbox.settings import ENDPOINTS, settings_for
from tests.support.databases import ROOT

Switched = Callable[..., None]
Fault = Callable[..., None]
CALLBACK_SERVICES = {"google": "gmail"}


class Watch:
    """Tells what became of everything that was issued since it was made."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._before = set(control.issued())

    def states(self, provider: str) -> set[str]:
        issued = set(self._control.issued()) - self._before
        return {self._control.token_state(provider, token) for token in issued}


class Calls:
    """Counts what reaches the sandbox from now on."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._since = max((row["n"] for row in control.log(last=1)), default=0)

    def of(self, provider: str, *endpoints: str) -> int:
        """Return how many calls there were, to these endpoints or to any."""
        rows = self._control.log(provider, since=self._since)
        return sum(not endpoints or row["endpoint"] in endpoints for row in rows)


@dataclass
class Sandbox:
    url: str
    process: subprocess.Popen[str]

    @classmethod
    def start(cls) -> Sandbox:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        return cls(process.stdout.readline().split()[-1], process)

    @property
    def control(self) -> Control:
        return Control(self.url)

    def register(self, public_url: str) -> dict[str, str]:
        """Register a client of its own with every provider; return the settings that use them."""
        settings = {}
        for provider in ENDPOINTS:
            client_id, secret = f"client-{uuid.uuid4().hex[:12]}", f"secret-{uuid.uuid4().hex}"
            base = public_url.replace("localhost", "127.0.0.1") if provider == "spotify" else public_url
            service = CALLBACK_SERVICES.get(provider, provider)
            uris = [f"{base}/api/connections/{service}/callback", f"{base}/callback"]
            self.control.register_client(
                provider, client_id=client_id, client_secret=secret, redirect_uris=uris
            )
            settings |= settings_for(provider, self.url, secret)
            settings[f"{provider.upper()}_CLIENT_ID"] = client_id
        return settings

    def calls(self) -> Calls:
        return Calls(self.control)

    def watch(self) -> Watch:
        return Watch(self.control)

    def refresh(self, provider: str, settings: Mapping[str, str], refresh_token: str) -> dict[str, str]:
        """Refresh as the client of these settings does; return what the provider answers."""
        prefix = provider.upper()
        answer = requests.post(
            settings[f"{prefix}_TOKEN_URL"],
            {"grant_type": "refresh_token", "refresh_token": refresh_token},
            auth=(settings[f"{prefix}_CLIENT_ID"], settings[f"{prefix}_CLIENT_SECRET"]),
            timeout=10,
        )
        answer.raise_for_status()
        return dict(answer.json())

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        if self.process.stdout is not None:
            self.process.stdout.close()
