"""Client authentication: who calls the token endpoint, by HTTP Basic or in the body."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from flask import request

from sandbox.engine.realm import Realm
from sandbox.engine.records import Client
from sandbox.engine.refusal import Reason, Refusal

Scheme = Literal["basic", "body", "public"]


@dataclass(frozen=True)
class Presented:
    scheme: Scheme
    client_id: str
    secret: str


def presented(parameters: Mapping[str, str]) -> Presented:
    """Basic wins over the body; a body without a secret is a public client."""
    basic = request.authorization
    if basic is not None and basic.type == "basic":
        return Presented("basic", basic.username or "", basic.password or "")
    client_id, secret = parameters.get("client_id", ""), parameters.get("client_secret", "")
    return Presented("body" if secret else "public", client_id, secret)


def authenticate(realm: Realm, shown: Presented, *accepted: Scheme) -> Client:
    """The client, if it showed its secret in a way that this provider accepts."""
    if shown.scheme not in accepted or not shown.client_id:
        raise Refusal(Reason.CLIENT_AUTH_MISSING)
    client = realm.clients.get(shown.client_id)
    if client is None:
        raise Refusal(Reason.CLIENT_UNKNOWN)
    if shown.scheme != "public" and not same(shown.secret, client.client_secret):
        raise Refusal(Reason.CLIENT_SECRET_WRONG)
    return client


def same(left: str, right: str) -> bool:
    return hmac.compare_digest(left.encode(), right.encode())
