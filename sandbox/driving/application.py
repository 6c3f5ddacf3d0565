"""A client application at one provider that does everything right, unless told otherwise."""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests

from sandbox.driving.control import TIMEOUT, Control
from sandbox.driving.person import consent
from sandbox.settings import client_id, settings_for

Fields = dict[str, str | None]
SCOPES = {
    "google": ["openid", "email", "https://www.googleapis.com/auth/gmail.readonly"],
    "facebook": ["email", "public_profile", "user_posts"],
    "github": ["repo", "gist", "user:email"],
    "spotify": ["user-read-email", "user-read-private"],
    "discord": ["identify", "email"],
}
BASIC = {"spotify", "discord"}


@dataclass
class Application:
    """``more`` in every method replaces parameters; None leaves one out."""

    control: Control
    provider: str
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        registered = next(c for c in self.control.clients(self.provider) if c["client_id"] == self.client_id)
        self.secret = str(registered["client_secret"])
        self.redirect_uri = str(registered["redirect_uris"][-2])
        self.settings = settings_for(self.provider, self.control.base_url, self.secret)
        self.session.trust_env = False

    @property
    def client_id(self) -> str:
        return client_id(self.provider)

    def url(self, name: str) -> str:
        return self.settings[f"{self.provider.upper()}_{name}_URL"]

    def authorize_url(self, **more: str | None) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        usual: Fields = {
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "scope": ("," if self.provider == "facebook" else " ").join(SCOPES[self.provider]),
            "state": "a state",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        if self.provider == "google":
            usual["access_type"] = "offline"
        return f"{self.url('AUTHORIZE')}?{urlencode(present(usual | more))}"

    def callback(
        self, account: str = "ada", deny: bool = False, untick: tuple[str, ...] = (), **more: str | None
    ) -> dict[str, str]:
        """What the callback carries after the person decided."""
        location = consent(
            self.session, self.authorize_url(**more), account=account, deny=deny, untick=untick
        )
        return dict(parse_qsl(urlsplit(location).query))

    def post(self, url: str, form: Fields) -> requests.Response:
        auth = (self.client_id, self.secret) if self.provider in BASIC else None
        own: Fields = {} if auth else {"client_id": self.client_id, "client_secret": self.secret}
        headers = {"Accept": "application/json"}
        data = present(own | form)
        return self.session.post(
            url, data, auth=auth, headers=headers, allow_redirects=False, timeout=TIMEOUT
        )

    def exchange(self, code: str, **more: str | None) -> requests.Response:
        usual = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect_uri}
        return self.post(self.url("TOKEN"), {**usual, "code_verifier": self.verifier, **more})

    def refresh(self, refresh_token: str, **more: str | None) -> requests.Response:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return self.post(self.url("TOKEN"), {**form, **more})

    def connect(
        self, account: str = "ada", untick: tuple[str, ...] = (), **more: str | None
    ) -> dict[str, Any]:
        """Consent and exchange; the token reply."""
        answer = self.exchange(self.callback(account, False, untick, **more)["code"])
        answer.raise_for_status()
        return dict(answer.json())

    def get(self, url: str, access_token: str, **query: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {access_token}"}
        return self.session.get(url, params=query, headers=headers, timeout=TIMEOUT)

    def identity(self, access_token: str) -> requests.Response:
        query = {"fields": "id,name,email"} if self.provider == "facebook" else {}
        return self.get(self.url("USERINFO"), access_token, **query)

    def revoke(self, token: str, account_id: str = "") -> requests.Response:
        """As each vendor wants it; Spotify has none."""
        url = self.url("REVOKE").format(client_id=self.client_id, account_id=account_id)
        if self.provider == "facebook":
            headers = {"Authorization": f"Bearer {token}"}
            return self.session.delete(url, headers=headers, timeout=TIMEOUT)
        if self.provider == "github":
            pair = (self.client_id, self.secret)
            return self.session.delete(url, auth=pair, json={"access_token": token}, timeout=TIMEOUT)
        return self.post(url, {"token": token})


def present(values: Fields) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}
