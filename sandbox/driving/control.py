"""The control API of a running sandbox, as methods."""

from typing import Any

import requests

TIMEOUT = (5, 30)


class Control:
    """Every method raises ``requests.HTTPError`` when the sandbox refuses."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False

    def _call(self, method: str, path: str, body: object = None, **query: object) -> Any:
        asked = {name: str(value) for name, value in query.items() if value is not None}
        url = f"{self.base_url}/control{path}"
        answer = self._session.request(method, url, params=asked, json=body, timeout=TIMEOUT)
        if not answer.ok:
            raise requests.HTTPError(f"{method} {path}: {answer.status_code} {answer.text}", response=answer)
        return answer.json()

    def clients(self, provider: str) -> list[dict[str, Any]]:
        return list(self._call("GET", f"/{provider}/clients")["clients"])

    def register_client(
        self, provider: str, client_id: str, client_secret: str, redirect_uris: list[str], **more: object
    ) -> dict[str, Any]:
        """Register or replace a client; ``more`` may be ``name``, ``project``, ``wildcard``."""
        body = {
            "client_id": client_id,
            "client_secret": client_secret,
            "redirect_uris": redirect_uris,
            **more,
        }
        return dict(self._call("POST", f"/{provider}/clients", body))

    def accounts(self, provider: str) -> list[dict[str, Any]]:
        return list(self._call("GET", f"/{provider}/accounts")["accounts"])

    def add_account(self, provider: str, key: str, **profile: object) -> dict[str, Any]:
        """Add or replace an account; ``profile`` overrides the vendor's fields."""
        return dict(self._call("POST", f"/{provider}/accounts", {"key": key, **profile}))

    def switches(self, provider: str) -> dict[str, Any]:
        return dict(self._call("GET", f"/{provider}/switches"))

    def switch(self, provider: str, **values: object) -> dict[str, Any]:
        return dict(self._call("PATCH", f"/{provider}/switches", values))

    def fault(self, provider: str, endpoint: str, kind: str, *, times: int = 1, **parameters: object) -> None:
        body = {"endpoint": endpoint, "kind": kind, "times": times, **parameters}
        self._call("POST", f"/{provider}/faults", body)

    def faults(self, provider: str) -> dict[str, Any]:
        """The faults that wait, and how many requests are ``held``."""
        return dict(self._call("GET", f"/{provider}/faults"))

    def clear_faults(self, provider: str) -> None:
        self._call("DELETE", f"/{provider}/faults")

    def release(self, provider: str) -> int:
        return int(self._call("POST", f"/{provider}/release", {})["released"])

    def expire(self, provider: str, account: str = "ada", token: str | None = None) -> int:
        body = {"account": account} if token is None else {"token": token}
        return int(self._call("POST", f"/{provider}/expire", body)["expired"])

    def revoke(self, provider: str, account: str = "ada") -> int:
        return int(self._call("POST", f"/{provider}/revoke", {"account": account})["revoked"])

    def ban(self, provider: str, account: str = "ada", banned: bool = True) -> None:
        self._call("POST", f"/{provider}/ban", {"account": account, "banned": banned})

    def rotate(self, provider: str, account: str = "ada") -> list[dict[str, str]]:
        return list(self._call("POST", f"/{provider}/rotate", {"account": account})["rotated"])

    def age(self, provider: str, seconds: float) -> None:
        self._call("POST", f"/{provider}/age", {"seconds": seconds})

    def grants(self, provider: str) -> dict[str, Any]:
        return dict(self._call("GET", f"/{provider}/grants"))

    def token_state(self, provider: str, token: str) -> str:
        return str(self._call("POST", f"/{provider}/token-state", {"token": token})["state"])

    def log(
        self, provider: str | None = None, since: int = 0, last: int | None = None
    ) -> list[dict[str, Any]]:
        return list(self._call("GET", "/log", provider=provider, since=since, last=last))

    def clear_log(self) -> None:
        self._call("DELETE", "/log")

    def issued(self) -> list[str]:
        return list(self._call("GET", "/issued"))

    def reset(self) -> None:
        self._call("POST", "/reset", {})
