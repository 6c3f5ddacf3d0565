"""The keys that tokens of a host application are verified with: given at the start, or published at a URL.

PyJWT's own client is not used: it waits for thirty seconds, follows redirects and reads whatever comes.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from math import inf
from threading import Lock
from time import monotonic

from jwt import PyJWK

import jwks
from app.errors import IssuerKeysUnavailable
from app.waiting import waiting
from config import TokenSettings

from .answers import Failure, ProviderFailure, parsed
from .outbound import Deadline, ask

TOTAL = 3.0  # seconds for one look
KEPT = 300.0  # seconds until keys are looked for again
LONGEST_KEPT = 86400.0  # seconds that they are used for while their source is away
BETWEEN_LOOKS = 30.0  # seconds, whatever key ids strangers make up
BETWEEN_FIRST_LOOKS = 5.0  # seconds, while there is no key at all
MOST_TRIED = 10  # keys, for a token that does not say which

log = logging.getLogger(__name__)


class IssuerKeys:
    """Keys that do not change while the service runs."""

    def __init__(self, keys: Sequence[PyJWK]) -> None:
        self._keys = keys

    def of(self, kid: str | None) -> Sequence[PyJWK]:
        """Return the keys to try for a token with this `kid`. A key without one is tried for every token."""
        if kid is None:
            return self._keys[:MOST_TRIED]
        return [key for key in self._keys if key.key_id in (kid, None)][:MOST_TRIED]


class PublishedKeys(IssuerKeys):
    """Keys at a URL, fetched when they are first needed, when they are old, and when one is not known.

    One caller fetches. The others go on with the key that they ask for, or wait for it where it is not known.
    """

    def __init__(self, url: str, algorithm: str) -> None:
        super().__init__(())
        self._url = url
        self._algorithm = algorithm
        self._fetching = Lock()
        self._fetched_at = self._look_again_at = -inf

    def of(self, kid: str | None) -> Sequence[PyJWK]:
        """The same. Raises IssuerKeysUnavailable where no key at all is known, or none of the last day."""
        known = self._age() <= LONGEST_KEPT and bool(super().of(kid))
        if not known or self._age() > KEPT:
            self._look(patience=0 if known else TOTAL)
        if not self._keys or self._age() > LONGEST_KEPT:
            raise IssuerKeysUnavailable
        return super().of(kid)

    def _age(self) -> float:
        return monotonic() - self._fetched_at

    def _look(self, patience: float) -> None:
        """Fetch the keys, unless that was done a moment ago; wait so many seconds for whoever does it now."""
        with waiting.brief():
            mine = self._fetching.acquire(timeout=patience)
        if not mine:
            return
        try:
            if monotonic() >= self._look_again_at:
                self._renew()
                self._look_again_at = monotonic() + (BETWEEN_LOOKS if self._keys else BETWEEN_FIRST_LOOKS)
        finally:
            self._fetching.release()

    def _renew(self) -> None:
        """Put what is published in place of what is known. A source that fails changes nothing."""
        try:
            self._keys = self._fetch(Deadline(TOTAL, read=TOTAL))
        except ProviderFailure as failure:
            log.error("JWT_JWKS_URL: the keys cannot be had: %s", failure.kind.name.lower())
            return
        self._fetched_at = monotonic()
        if not self._keys:
            log.error("JWT_JWKS_URL: no key there verifies %s", self._algorithm)

    def _fetch(self, deadline: Deadline) -> Sequence[PyJWK]:
        accepted = {"Accept": "application/jwk-set+json, application/json"}
        answer = ask("GET", self._url, deadline, headers=accepted)
        if answer.status != 200:
            raise ProviderFailure(Failure.UNAVAILABLE)
        try:
            return jwks.usable(parsed(answer.body), self._algorithm)
        except ValueError:
            raise ProviderFailure(Failure.MALFORMED) from None


def keys_for(tokens: TokenSettings) -> IssuerKeys:
    """Return the keys that these settings give, or say where to find."""
    if tokens.jwks_url is None:
        return IssuerKeys(tokens.public_keys)
    return PublishedKeys(tokens.jwks_url, tokens.algorithm)
