"""Scopes as providers spell them: aliases, separators, a wider one that swallows others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.oauth.answers import granted_scopes, missing_scopes, split_scopes
from app.oauth.provider import Provider
from app.oauth.registration import register
from app.providers import PROVIDERS
from app.providers.github import GITHUB
from app.providers.google import GOOGLE
from config import ProviderSettings

SETTINGS = ProviderSettings(client_id="id", client_secret="made-up")


def granted(provider: Provider, answered: str | None) -> tuple[str, ...]:
    registration = register(provider, SETTINGS, "https://connect.example.com")
    assert registration is not None
    return granted_scopes(registration, None if answered is None else split_scopes(answered))


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_an_answer_that_names_no_scope_grants_what_was_asked(provider: Provider) -> None:
    assert missing_scopes(provider, provider.scopes, granted(provider, None)) == ()


def test_google_answers_with_other_names_in_another_order() -> None:
    answered = "https://www.googleapis.com/auth/userinfo.profile openid https://www.googleapis.com/auth/userinfo.email"
    held = granted(GOOGLE, answered)
    assert held == ("email", "openid", "profile")
    assert missing_scopes(GOOGLE, GOOGLE.scopes, held) == GOOGLE.scopes[3:]


@pytest.mark.parametrize(
    ("answered", "missing"),
    [
        ("repo,read:user,user:email", ()),
        ("repo,user", ()),
        ("repo", ("read:user", "user:email")),
        ("user:email,repo", ("read:user",)),
    ],
)
def test_github_separates_by_comma_and_swallows(answered: str, missing: tuple[str, ...]) -> None:
    assert missing_scopes(GITHUB, GITHUB.scopes, granted(GITHUB, answered)) == missing


@pytest.mark.parametrize(
    ("changes", "issuer"),
    [
        ({}, "https://github.com/login/oauth"),
        ({"authorize_url": "https://ghe.example.com/login/oauth/authorize"}, None),
        (
            {"authorize_url": "https://ghe.example.com/a", "issuer": "https://ghe.example.com"},
            "https://ghe.example.com",
        ),
    ],
)
def test_another_host_has_another_issuer(changes: dict[str, str], issuer: str | None) -> None:
    registration = register(GITHUB, replace(SETTINGS, **changes), "https://connect.example.com")
    assert registration is not None and registration.issuer == issuer


def test_urls_are_filled_in() -> None:
    registration = register(GITHUB, SETTINGS, "http://localhost:8080")
    assert registration is not None
    assert registration.revoke_url == "https://api.github.com/applications/id/grant"
    assert registration.redirect_uri == "http://localhost:8080/api/connections/github/callback"
    assert "made-up" not in repr(registration)
