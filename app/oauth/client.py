"""How a provider is spoken to: requests-oauthlib behind one adapter that puts right what it gets wrong.

It logs tokens at DEBUG, never looks at the status, raises on a changed scope after the code is spent, and
takes any type for a token. Here a compliance hook judges each raw answer, and only what it found is used.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import urlencode

from requests import Request, Response
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

from .answers import Failure, ProviderFailure, TokenAnswer, is_of_token, judge, token_answer
from .outbound import Deadline, ask
from .provider import ClientAuth
from .registration import Registration

Hook = Literal["access_token_response", "refresh_token_response"]


class Client:
    """The calls of one request to one provider, all within one deadline."""

    def __init__(self, registration: Registration, deadline: Deadline) -> None:
        self.registration = registration
        self.provider = registration.provider
        self._deadline = deadline

    def session(self, redirect_uri: str | None = None) -> OAuth2Session:
        """Return a session without a scope: with one, a granted scope that differs would raise."""
        return _Session(self, redirect_uri)

    def send(self, method: str, url: str, **kwargs: Any) -> Response:
        headers = {"Accept": "application/json", **kwargs.pop("headers", {})}
        return ask(Request(method, url, headers=headers, **kwargs), self._deadline)

    def get(self, url: str, access_token: str) -> Mapping[str, Any]:
        """Ask the provider's API on behalf of a token; return the JSON object, or raise ProviderFailure."""
        params = urlencode({**self.provider.userinfo_params, **self.proof(access_token)})
        response = self.send("GET", url, params=params, headers=bearer(access_token))
        if response.status_code == 401 and is_of_token(self.provider, response):
            raise ProviderFailure(Failure.GRANT_DEAD)
        return judge(self.provider, response)

    def judged(
        self, session: OAuth2Session, hook: Hook, *, of_code: bool = False
    ) -> Callable[[], TokenAnswer]:
        """Judge the raw answer before oauthlib parses it; return a function that returns what was found."""
        found: list[TokenAnswer] = []

        def judged(response: Response) -> Response:
            document = judge(self.provider, response, exchanging_code=of_code)
            found.append(token_answer(document))
            response._content = b'{"access_token": "judged", "token_type": "Bearer"}'
            return response

        session.register_compliance_hook(hook, judged)
        return lambda: found[0]

    def credentials_of_code(self) -> dict[str, Any]:
        """Return what makes `fetch_token` prove the client as this provider wants it."""
        if self.provider.client_auth is ClientAuth.BASIC:
            return {"auth": self.basic()}
        return {"client_secret": self.registration.client_secret, "include_client_id": True}

    def credentials_of_refresh(self) -> dict[str, Any]:
        """The same for `refresh_token`, which by itself sends none."""
        if self.provider.client_auth is ClientAuth.BASIC:
            return {"auth": self.basic()}
        return {"client_id": self.registration.client_id, "client_secret": self.registration.client_secret}

    def basic(self) -> HTTPBasicAuth:
        return HTTPBasicAuth(self.registration.client_id.encode(), self.registration.client_secret.encode())

    def proof(self, token: str) -> dict[str, str]:
        """Return the parameter that proves the app's secret beside a token, where the provider has one."""
        if self.provider.app_secret_proof is None:
            return {}
        secret = self.registration.client_secret.encode()
        return {self.provider.app_secret_proof: hmac.new(secret, token.encode(), hashlib.sha256).hexdigest()}


class _Session(OAuth2Session):
    """Sends as everything is sent here: nothing that a session keeps is sent along, nothing is followed."""

    def __init__(self, client: Client, redirect_uri: str | None) -> None:
        super().__init__(client.registration.client_id, redirect_uri=redirect_uri)
        self._send = client.send

    def request(self, method: Any, url: Any, *_: Any, **told: Any) -> Response:
        return self._send(method, url, data=told["data"], headers=told["headers"], auth=told["auth"])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
