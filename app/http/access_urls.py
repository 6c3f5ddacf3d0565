"""Access URLs: where a caller sends its user, for a flow bound to no browser."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from app.errors import UnknownService
from app.providers import ACCESS_WORDS
from app.schemas.legacy_tokens import AccessUrlSchema
from app.services import flows
from app.services.pending import Wish
from app.services.service_keys import Scope
from app.services.standing import Caller

from .caller import authenticated
from .wire import reads

blueprint = Blueprint("access_urls", __name__, url_prefix="/api/user/connection/access")


@blueprint.post("/token/urls")
@authenticated(Scope.WRITE, limit="start", confirms=True)
@reads(AccessUrlSchema)
def by_token_type(caller: Caller, body: dict[str, Any]) -> Response:
    return _access_url(caller, body["token_type"])


@blueprint.get("/<service>")
@blueprint.get("/token/<service>", endpoint="by_service_as_token")
@authenticated(Scope.WRITE, limit="start", confirms=True)
def by_service(caller: Caller, service: str) -> Response:
    return _access_url(caller, service)


def _access_url(caller: Caller, word: str) -> Response:
    provider = ACCESS_WORDS.get(word)
    if provider is None:
        raise UnknownService(known=", ".join(ACCESS_WORDS))
    url, _ = flows.begin(Wish(caller.user_id, provider.service), browser=None, caller=caller)
    return jsonify({f"{word}_url": url, "url": url})
