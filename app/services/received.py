"""What a flow has brought back, whole, from the provider's answer until it is stored, held, or ended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from app.oauth.answers import Account
from app.vault import SealBroken

from .keeping import Fresh


@dataclass(frozen=True, slots=True)
class Received:
    """What a provider gave for a code: tokens, whose account they are for, and what was asked for."""

    fresh: Fresh
    account_label: str
    former_ids: Sequence[str]
    scopes_asked: Sequence[str]
    reconnects: str | None = None  # the incarnation of the grant that was there when the code came

    @property
    def account(self) -> Account:
        return Account(self.fresh.account_id, self.account_label, tuple(self.former_ids))

    def to_bytes(self) -> bytes:
        """Return what is held until the user confirms it, which is then a wish of its own time."""
        kept = {**asdict(self), "fresh": self.fresh.to_document(), "reconnects": None}
        return json.dumps(kept).encode("utf-8")

    @classmethod
    def from_bytes(cls, raw: bytes) -> Received:
        stored = json.loads(raw)
        if "fresh" not in stored:
            raise SealBroken("of another release")
        return cls(**{**stored, "fresh": Fresh.from_document(stored["fresh"])})
