"""What came of something, in words for whoever did it: what happened, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.oauth.answers import Kind
from app.oauth.provider import ServiceDeclaration
from app.oauth.revocation import Outcome
from app.services.glances import Glance
from app.services.status import Tested


@dataclass(frozen=True, slots=True)
class FlowOutcome:
    """What came of a flow that was begun on a page. `may_replace`: another account was chosen."""

    good: bool
    text: str
    glance: Glance
    may_replace: bool = False


_OF_FLOWS = {
    "oauth_error": "{title} was not connected: it was declined at {provider}, or {provider} refused it.",
    "account_mismatch": "You chose another account than the one that is connected. Nothing was changed.",
    "missing_code_or_state": "{title} was not connected: {provider} sent you back without an answer.",
    "provider_busy": "{title} was not connected: {provider} answers slowly. Try again in a minute.",
}
_OTHERWISE = "{title} was not connected: {provider} did not give a usable answer. Try again in a moment."

_OF_TESTS = {
    None: "{title} works: it has just answered.",
    Kind.OUTAGE: "{title} did not answer. Nothing is lost; try again in a moment.",
    Kind.OPERATOR: "{title} refuses this service as it is set up. Its operator must mend that.",
    Kind.MALFORMED: "{title} gave an answer that is of no use. Try again in a moment.",
    Kind.DEAD_GRANT: "{title} does not accept this connection any more. Connect it again.",
}

_OF_ENDS = {
    Outcome.REVOKED: "The permission has ended at {provider}, too.",
    Outcome.ALREADY_GONE: "The permission had ended at {provider} before.",
    Outcome.UNSUPPORTED: "{provider} lets nobody end it from here: remove it in your account there.",
    Outcome.QUEUED: "{provider} did not answer: the permission is ended there as soon as it does.",
    Outcome.SHARED: "It stays at {provider}: another user here is connected with the same account.",
}


def of_flow(query: Mapping[str, str], glances: Sequence[Glance]) -> FlowOutcome | None:
    """Return what the query of a page tells of a flow that came back to it; None where it tells of none."""
    found = next((one for one in glances if one.service.name == query.get("service")), None)
    if found is None:
        return None
    if query.get("connected") and found.status is not None:
        text = f"{found.provider.title} connected: {found.status.account_label}."
        return FlowOutcome(True, text, found)
    code = query.get("error")
    if code is None:
        return None
    sentence = _OF_FLOWS.get(code, _OTHERWISE)
    text = sentence.format(title=found.provider.title, provider=found.provider.called)
    return FlowOutcome(False, text, found, may_replace=code == "account_mismatch")


def of_test(tested: Tested, service: ServiceDeclaration) -> str:
    return _OF_TESTS[tested.failure].format(title=service.display_name)


def of_end(outcome: Outcome, ended: Glance) -> str:
    names = " and ".join(service.display_name for service in (ended.service, *ended.together))
    return f"{names} disconnected. {_OF_ENDS[outcome].format(provider=ended.provider.called)}"
