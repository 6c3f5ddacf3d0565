"""Events of the audit in plain words. What no sentence knows is shown as it was written down."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from app.models import AuditEvent
from app.providers import PROVIDERS, SERVICES
from app.services.audit import OPERATOR
from app.services.standing import Caller


@dataclass(frozen=True, slots=True)
class Told:
    """One event in a sentence. `notable` is what its owner should look at."""

    at: datetime
    what: str
    detail: str
    address: str
    notable: bool


SENTENCES: Mapping[str, str] = {
    "connection.add": "{who} stored {target}",
    "connection.connect": "{who} connected {target}",
    "connection.delete": "{who} deleted {target}",
    "connection.disconnect": "{who} disconnected {target}",
    "connection.read": "{who} read {target}",
    "connection.read_all": "{who} read all stored tokens",
    "connection.refused": "{who} came back from {target} without a connection",
    "connection.rename": "{who} renamed {target}",
    "connection.replace": "{who} changed {target}",
    "connection.reset": "{who} disconnected everything",
    "connection.test": "{who} tested {target}",
    "data.export": "{who} exported what is yours",
    "data.import": "{who} brought what is yours from another service",
    "denied": "{who} was refused what is yours",
    "grant.end": "{who} found that {target} has ended the connection",
    "grant.expiring": "{who} warned that the connection to {target} ends soon",
    "grant.refresh": "{who} renewed the token of {target}",
    "grant.refresh_failed": "{who} could not renew the token of {target}",
    "grant.restore": "{who} restored the connection to {target}",
    "grant.revoke": "{who} asked {target} to end a permission",
    "grant.spare": "{who} gave up a token of {target} that nobody needed",
    "token.read": "{who} read the token of {target}",
    "user.create": "{who} made your account",
    "user.delete": "{who} deleted your account",
    "user.disable": "{who} shut your account",
    "user.enable": "{who} opened your account again",
    "user.login": "{who} signed in",
    "user.login_refused": "{who} tried to sign in with a wrong password",
    "user.logout": "{who} signed out",
    "user.password": "{who} changed the password",
    "user.password_refused": "{who} gave a wrong password",
    "user.password_reset": "{who} set a new password for you",
    "user.provision": "{who} made your account",
    "user.register": "{who} registered",
    "user.rename": "{who} changed your username",
    "user.slowed_down": "{who} was slowed down after wrong passwords",
    "user.token_reused": "{who} used a refresh token twice: that login has ended",
}
# What is done before anybody is known: with a password, or at the end of a flow.
UNNAMED: Mapping[str, str] = {
    "connection.connect": "{target} was connected",
    "connection.refused": "A browser came back from {target} without a connection",
    "grant.revoke": "{target} was asked to end a permission",
    "grant.spare": "A token of {target} that nobody needed was given up",
    "token.read": "The token of {target} was read",
    "user.login": "Signed in with the password",
    "user.register": "This account was made",
}
NOTABLE = frozenset(
    {
        "denied",
        "grant.end",
        "grant.expiring",
        "grant.refresh_failed",
        "user.login_refused",
        "user.password_refused",
        "user.slowed_down",
        "user.token_reused",
    }
)

_TITLES = {provider.name: provider.called for provider in PROVIDERS} | {
    service.name: service.display_name for service in SERVICES
}
_ACTORS = {OPERATOR: "The operator", "worker": "Latchkey", "anonymous": "Somebody not signed in"}


def told(event: AuditEvent, caller: Caller, names: Mapping[int, str]) -> Told:
    """Return an event of this caller's. `names` are those of the secrets that are stored now, by id."""
    unnamed = UNNAMED.get(event.action) if event.actor == "anonymous" else None
    sentence = unnamed or SENTENCES.get(event.action, event.action)
    return Told(
        at=event.at,
        what=sentence.format(who=_who(event.actor, caller), target=_target(event.target, names)),
        detail=event.detail,
        address=event.address,
        notable=event.action in NOTABLE,
    )


def _who(actor: str, caller: Caller) -> str:
    if actor == f"user:{caller.shown_id}":
        return "You"
    kind, _, name = actor.partition(":")
    if kind == "service_key":
        return f"The program {name}"
    return "Another user" if kind == "user" else _ACTORS.get(actor, actor)


def _target(target: str, names: Mapping[int, str]) -> str:
    """Return what a target is called: a secret by its name, a service or an account by its provider's."""
    kind, _, rest = target.partition(":")
    if kind == "connection" and re.fullmatch("[0-9]{1,19}", rest):
        name = names.get(int(rest), "")
        return f"the secret “{name}”" if name else f"the secret number {rest}"
    return _TITLES.get(kind, target)
