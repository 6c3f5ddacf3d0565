"""What is counted, one line where it happens. docs/metrics.md tells what each is good for."""

from __future__ import annotations

from .tally import counter, histogram

RENEWED = "renewed"
GIVEN_UP = "given_up"
SECRETS = ("typed", "legacy", "token")
SEALED_IN = ("connections", "grants", "revocations", "flows", "spool")

requests = counter("latchkey_requests_total", "Requests answered.", "method", "route", "status")
request_seconds = histogram(
    "latchkey_request_seconds",
    "How long answers took.",
    "route",
    buckets=(0.005, 0.02, 0.1, 0.5, 2, 5, 12),
)
refreshes = counter(
    "latchkey_refreshes_total", "Renewals of tokens, by what came of them.", "provider", "outcome"
)
revocations = counter(
    "latchkey_revocations_total", "Attempts to end a token at its provider.", "provider", "outcome"
)
secrets_read = counter("latchkey_secrets_read_total", "Secrets handed out.", "kind")
unreadable = counter("latchkey_unreadable_total", "Sealed values that did not open.", "table")
