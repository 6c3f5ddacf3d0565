"""What may differ between providers: a closed set of values and functions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask.typing import ResponseReturnValue

from sandbox.engine.realm import Realm
from sandbox.engine.records import Account, AuthorizationRequest, Client, Grant
from sandbox.engine.redirects import Match, exact
from sandbox.engine.refusal import Refusal
from sandbox.engine.switches import Switch

View = Callable[..., ResponseReturnValue]
Parameters = dict[str, str]


def no_check(realm: Realm, request: AuthorizationRequest) -> None:
    """Most providers ask nothing more of an authorization request."""


def ticked_scopes(realm: Realm, request: AuthorizationRequest, account: str, ticked: list[str]) -> list[str]:
    return ticked


def no_parameters(realm: Realm, request: AuthorizationRequest, grant: Grant) -> Parameters:
    return {}


def always_ask(realm: Realm, request: AuthorizationRequest) -> str | None:
    return None


def access_denied(realm: Realm) -> Parameters:
    return {"error": "access_denied"}


@dataclass(frozen=True)
class Dialog:
    """How the authorize endpoint and the consent page of a provider differ.

    ``silently_as`` names the account for which no page is needed; ``granted`` decides what the code carries;
    ``firm_scopes`` cannot be unticked; ``iss`` is added to callbacks while the switch of that name is on.
    """

    scope_separators: str = " "
    response_type_required: bool = True
    redirect_uri_required: bool = True
    scope_required: bool = False
    challenge_methods: frozenset[str] = frozenset({"S256"})
    firm_scopes: frozenset[str] = frozenset()
    code_prefix: str = ""
    fragment: str = ""
    iss: str = ""
    match: Callable[[Realm, Client, str], Match] = exact
    check: Callable[[Realm, AuthorizationRequest], None] = no_check
    silently_as: Callable[[Realm, AuthorizationRequest], str | None] = always_ask
    granted: Callable[[Realm, AuthorizationRequest, str, list[str]], list[str]] = ticked_scopes
    extra: Callable[[Realm, AuthorizationRequest, Grant], Parameters] = no_parameters
    denial: Callable[[Realm], Parameters] = access_denied


@dataclass(frozen=True)
class Route:
    """``endpoint`` is the word by which faults and the request log know it, or a function that finds it."""

    rule: str
    view: View
    endpoint: str | Callable[[], str]
    methods: tuple[str, ...] = ("GET",)


@dataclass(frozen=True)
class Provider:
    """``profile`` makes a new user's profile from a key; ``trouble`` words a failing status."""

    name: str
    title: str
    dialog: Dialog
    routes: tuple[Route, ...]
    authorize_rules: tuple[str, ...]
    refuse: Callable[[Realm, Refusal], ResponseReturnValue]
    profile: Callable[[str], dict[str, Any]]
    trouble: Callable[[int, float], object]
    switches: Mapping[str, Switch] = field(default_factory=dict)
    scope_texts: Mapping[str, str] = field(default_factory=dict)

    def account(self, key: str, profile: Mapping[str, Any] | None = None) -> Account:
        return Account(key, self.profile(key) | dict(profile or {}))
