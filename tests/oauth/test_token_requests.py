"""Token requests as a provider gets them: what RFC 6749 asks for, whatever letters secrets have."""

from __future__ import annotations

import base64
from dataclasses import replace
from urllib.parse import parse_qsl

import pytest

from app.oauth.client import Client
from app.oauth.exchange import redeem, refresh
from app.oauth.outbound import Deadline
from app.oauth.provider import Provider
from app.oauth.registration import Registration, register
from app.providers.github import GITHUB
from app.providers.spotify import SPOTIFY
from config import ProviderSettings
from tests.oauth.test_http1 import answering, with_length

ODD = "a+b/c&d=e %41\u20ac~'\""  # each must be quoted, or must not
TOKENS = with_length(b'{"access_token": "one", "token_type": "bearer"}')
BASIC = "Basic " + base64.b64encode(f"id:{ODD}".encode()).decode()
BACK = "https://connect.example.com/back"


@pytest.fixture(autouse=True)
def provider_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """As config.py permits one."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


def registered(provider: Provider, url: str) -> Registration:
    settings = ProviderSettings(client_id="id", client_secret=ODD, token_url=url)
    registration = register(provider, settings, "https://connect.example.com")
    assert registration is not None
    return registration


def told(raw: bytes) -> tuple[str | None, dict[str, str]]:
    """Return who a request says that it is, and its form, which names nothing twice."""
    head, _, body = raw.decode().partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert first == "POST /token HTTP/1.1"
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert headers["Content-Length"] == str(len(body))
    assert headers["Accept"] == "application/json"
    pairs = parse_qsl(body, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return headers.get("Authorization"), dict(pairs)


CREDENTIALS = {"client_id": "id", "client_secret": ODD}


@pytest.mark.parametrize(("provider", "known"), [(GITHUB, CREDENTIALS), (SPOTIFY, {})], ids=["body", "basic"])
@pytest.mark.parametrize("code", ["first", ODD[:-4]])
def test_a_code_is_redeemed(provider: Provider, known: dict[str, str], code: str) -> None:
    with answering(TOKENS) as (url, asked):
        client = Client(registered(provider, f"{url}/token"), Deadline())
        assert redeem(client, code=code, verifier="v" * 43, redirect_uri=BACK).access_token == "one"
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": "v" * 43, "redirect_uri": BACK}
    assert told(asked[0]) == (None if known else BASIC, {**form, **known})


@pytest.mark.parametrize(("provider", "known"), [(GITHUB, CREDENTIALS), (SPOTIFY, {})], ids=["body", "basic"])
def test_a_token_is_refreshed(provider: Provider, known: dict[str, str]) -> None:
    for token in ("first", ODD):
        with answering(TOKENS) as (url, asked):
            refresh(Client(registered(provider, f"{url}/token"), Deadline()), token)
        form = {"grant_type": "refresh_token", "refresh_token": token}
        assert told(asked[0]) == (None if known else BASIC, {**form, **known})


def test_what_was_told_to_one_client_is_told_to_no_other() -> None:
    with answering(TOKENS) as (url, _):
        first = registered(GITHUB, f"{url}/token")
        redeem(Client(first, Deadline()), code="first", verifier="w" * 43, redirect_uri=BACK)
    with answering(TOKENS) as (url, asked):
        second = replace(first, client_id="other", client_secret="other", token_url=f"{url}/token")
        redeem(Client(second, Deadline()), code="second", verifier="v" * 43, redirect_uri=f"{BACK}/2")
    _, form = told(asked[0])
    assert (form["client_id"], form["client_secret"], form["code"]) == ("other", "other", "second")
    assert (form["code_verifier"], form["redirect_uri"]) == ("v" * 43, f"{BACK}/2")
