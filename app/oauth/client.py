"""How a provider is spoken to: requests-oauthlib behind one adapter that puts right what it gets wrong.

It logs tokens at DEBUG, never looks at the status, raises on a changed scope after the code is spent, and
takes any type for a token. Here it drafts token requests, each once, and knows neither what is filled in nor
what is answered.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus, urlencode

from requests import Request, Response
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

from .answers import Failure, ProviderFailure, is_of_token, judge
from .flow import new_secret
from .http1 import Answer
from .outbound import NONE, Deadline, ask
from .provider import ClientAuth
from .registration import Registration

JSON = {"Accept": "application/json"}
CODE, VERIFIER, TOKEN = new_secret(), new_secret(), new_secret()  # where a draft is filled in


class Client:
    """The calls of one request to one provider, all within one deadline."""

    def __init__(self, registration: Registration, deadline: Deadline) -> None:
        self.registration = registration
        self.provider = registration.provider
        self._deadline = deadline

    def redeem(self, *, code: str, verifier: str, redirect_uri: str) -> Answer:
        """Ask for the tokens of an authorization code."""
        return self._send(_draft_of_code(*self._known(), redirect_uri), {CODE: code, VERIFIER: verifier})

    def refresh(self, refresh_token: str) -> Answer:
        """Ask for the tokens after these."""
        return self._send(_draft_of_refresh(*self._known()), {TOKEN: refresh_token})

    def _known(self) -> tuple[str, ClientAuth, str, str]:
        client = self.registration
        return client.token_url, self.provider.client_auth, client.client_id, client.client_secret

    def _send(self, draft: Draft, told: Mapping[str, str]) -> Answer:
        url = self.registration.token_url
        return ask("POST", url, self._deadline, headers=draft.headers, body=draft.filled_in(told))

    def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str] = NONE) -> Answer:
        told = {**JSON, **headers, "Content-Type": "application/x-www-form-urlencoded"}
        return ask("POST", url, self._deadline, headers=told, body=urlencode(form).encode())

    def delete(
        self, url: str, document: Any = None, *, query: str = "", headers: Mapping[str, str]
    ) -> Answer:
        told, body = {**JSON, **headers}, b""
        if document is not None:
            told["Content-Type"], body = "application/json", json.dumps(document).encode()
        return ask("DELETE", url, self._deadline, query=query, headers=told, body=body)

    def get(self, url: str, access_token: str) -> Mapping[str, Any]:
        """Ask the provider's API on behalf of a token; return the JSON object, or raise ProviderFailure."""
        query = urlencode({**self.provider.userinfo_params, **self.proof(access_token)})
        answer = ask("GET", url, self._deadline, query=query, headers=JSON | bearer(access_token))
        if answer.status == 401 and is_of_token(self.provider, answer):
            raise ProviderFailure(Failure.GRANT_DEAD)
        return judge(self.provider, answer)

    def basic(self) -> dict[str, str]:
        client = self.registration
        known = base64.b64encode(f"{client.client_id}:{client.client_secret}".encode())
        return {"Authorization": f"Basic {known.decode()}"}

    def proof(self, token: str) -> dict[str, str]:
        """Return the parameter that proves the app's secret beside a token, where the provider has one."""
        if self.provider.app_secret_proof is None:
            return {}
        secret = self.registration.client_secret.encode()
        return {self.provider.app_secret_proof: hmac.new(secret, token.encode(), hashlib.sha256).hexdigest()}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@dataclass(frozen=True, slots=True)
class Draft:
    """A token request but for what differs each time."""

    headers: Mapping[str, str] = field(repr=False)
    form: str = field(repr=False)

    def filled_in(self, told: Mapping[str, str]) -> bytes:
        form = self.form
        for gap, value in told.items():
            form = form.replace(gap, quote_plus(value))
        return form.encode()


@lru_cache(maxsize=128)
def _draft_of_code(url: str, way: ClientAuth, client_id: str, client_secret: str, redirect_uri: str) -> Draft:
    drafting = _Drafting(client_id, redirect_uri=redirect_uri)
    known: dict[str, Any] = {"client_secret": client_secret, "include_client_id": True}
    if way is ClientAuth.BASIC:
        known = {"auth": HTTPBasicAuth(client_id.encode(), client_secret.encode())}
    drafting.fetch_token(url, code=CODE, code_verifier=VERIFIER, **known)
    return drafting.draft


@lru_cache(maxsize=128)
def _draft_of_refresh(url: str, way: ClientAuth, client_id: str, client_secret: str) -> Draft:
    drafting = _Drafting(client_id)
    known: dict[str, Any] = {"client_id": client_id, "client_secret": client_secret}
    if way is ClientAuth.BASIC:
        known = {"auth": HTTPBasicAuth(client_id.encode(), client_secret.encode())}
    drafting.refresh_token(url, refresh_token=TOKEN, **known)  # which by itself sends no credentials
    return drafting.draft


class _Drafting(OAuth2Session):
    """Sends nothing. It has no scope: with one, it would send it along with a refresh token."""

    draft: Draft

    def request(self, method: Any, url: Any, *_: Any, **told: Any) -> Response:
        """Note what is to be sent, and answer as if it had been."""
        made = Request(method, url, data=told["data"], headers=told["headers"], auth=told["auth"]).prepare()
        del made.headers["Content-Length"]
        self.draft = Draft(dict(made.headers), str(made.body))
        answer = Response()
        answer.request, answer.encoding = made, "utf-8"
        answer._content = b'{"access_token": "none", "token_type": "Bearer"}'
        return answer
