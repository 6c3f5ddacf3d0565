"""The state on disk: one JSON file, written whole, readable by its owner alone."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sandbox.engine.realm import Realm
from sandbox.engine.records import Account, AuthorizationRequest, Client, Code, Grant, Token

Row = dict[str, Any]


class StateUnreadable(ValueError):
    """The file is not a state that this sandbox wrote."""


class Store:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = ""

    def save(self, realms: dict[str, Realm]) -> None:
        """Write if anything changed: a new file beside the old one, then one rename."""
        text = json.dumps({name: frozen(realm) for name, realm in realms.items()}, separators=(",", ":"))
        if text == self._written:
            return
        beside = self._path.with_name(self._path.name + ".new")
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        beside.replace(self._path)
        self._written = text

    def load(self, realms: dict[str, Realm]) -> None:
        if not self._path.exists():
            return
        try:
            saved = json.loads(self._path.read_text())
            for name in realms.keys() & saved.keys():
                thaw(realms[name], saved[name])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StateUnreadable(
                f"{self._path} is not a sandbox state. Remove it to start afresh."
            ) from error


def frozen(realm: Realm) -> Row:
    return {
        "switches": realm.switches,
        "shift": realm.shift,
        "issued": realm.issued,
        "clients": [asdict(client) for client in realm.clients.values()],
        "accounts": [asdict(account) for account in realm.accounts.values()],
        "grants": [asdict(grant) for grant in realm.grants.values()],
        "requests": [asdict(request) for request in realm.requests.values()],
        "codes": [asdict(code) for code in realm.codes.values()],
        "tokens": [asdict(token) for token in realm.tokens.values()],
    }


def thaw(realm: Realm, saved: Row) -> None:
    """Switches that are new since the file was written keep their defaults, those gone are dropped."""
    realm.switches |= {name: saved["switches"][name] for name in realm.switches if name in saved["switches"]}
    realm.shift = saved["shift"]
    realm.issued = saved["issued"]
    realm.clients = {row["client_id"]: Client(**row) for row in saved["clients"]}
    realm.accounts = {row["key"]: Account(**row) for row in saved["accounts"]}
    realm.grants = {(row["client_id"], row["account"]): Grant(**row) for row in saved["grants"]}
    realm.requests = {row["id"]: AuthorizationRequest(**row) for row in saved["requests"]}
    realm.codes = {row["value"]: thawed_code(row) for row in saved["codes"]}
    realm.tokens = {row["value"]: Token(**row) for row in saved["tokens"]}


def thawed_code(row: Row) -> Code:
    return Code(**{**row, "request": AuthorizationRequest(**row["request"])})
