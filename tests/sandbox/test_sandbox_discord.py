"""Discord's peculiarities."""

import pytest
import requests

from sandbox.driver import Application, Control, consent


def test_the_secret_is_taken_as_basic_or_in_the_body(discord: Application) -> None:
    form = {"grant_type": "authorization_code", "redirect_uri": discord.redirect_uri}
    form |= {"code_verifier": discord.verifier, "client_id": discord.client_id}
    form |= {"client_secret": discord.secret, "code": discord.callback()["code"]}
    assert requests.post(discord.url("TOKEN"), form, timeout=5).json()["expires_in"] == 604_800


def test_a_refresh_token_works_once(discord: Application, control: Control) -> None:
    first = discord.connect()
    second = discord.refresh(first["refresh_token"]).json()
    replay = discord.refresh(first["refresh_token"])
    assert (replay.status_code, replay.json()["error"]) == (400, "invalid_grant")
    assert replay.json()["error_description"] == 'Invalid "refresh_token" in request'
    assert discord.identity(first["access_token"]).ok
    assert discord.refresh(second["refresh_token"]).ok
    control.switch("discord", dead_refresh_error="invalid_request")
    assert discord.refresh(first["refresh_token"]).json()["error"] == "invalid_request"


def test_a_grace_after_rotation_is_a_switch(discord: Application, control: Control) -> None:
    control.switch("discord", rotation_grace=30)
    held = discord.connect()["refresh_token"]
    assert discord.refresh(held).ok
    assert discord.refresh(held).ok
    control.age("discord", 31)
    assert not discord.refresh(held).ok


@pytest.mark.parametrize("path", ["/oauth2/authorize", "/api/oauth2/authorize"])
def test_prompt_none_skips_the_page_once_granted(discord: Application, path: str) -> None:
    url = discord.authorize_url(prompt="none").replace("/oauth2/authorize", path)
    assert discord.session.get(url, allow_redirects=False, timeout=5).status_code == 200
    discord.connect("grace")
    answer = discord.session.get(url, allow_redirects=False, timeout=5)
    assert answer.status_code == 302
    assert "code=" in answer.headers["Location"]
    wider = discord.authorize_url(prompt="none", scope="identify guilds")
    assert discord.session.get(wider, allow_redirects=False, timeout=5).status_code == 200
    assert "code=" in consent(discord.session, url)


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_revoking_any_token_ends_all_of_the_user(discord: Application, control: Control, which: str) -> None:
    first, second, grace = discord.connect(), discord.connect(), discord.connect("grace")
    answer = discord.revoke(first[which])
    assert (answer.status_code, answer.json()) == (200, {})
    for token in (first["access_token"], second["access_token"], second["refresh_token"]):
        assert control.token_state("discord", token) == "revoked"
    assert discord.identity(grace["access_token"]).ok
    assert control.grants("discord")["counts"]["grants"] == 1


@pytest.mark.parametrize("status", [200, 400])
def test_revoking_a_dead_token(discord: Application, control: Control, status: int) -> None:
    control.switch("discord", dead_revoke_status=status)
    token = discord.connect()["access_token"]
    discord.revoke(token)
    assert discord.revoke(token).status_code == status


def test_revoking_needs_the_secret(discord: Application, control: Control) -> None:
    token = discord.connect()["access_token"]
    discord.secret = "wrong"
    assert discord.revoke(token).status_code == 401
    assert control.token_state("discord", token) == "live"


@pytest.mark.parametrize("hint", ["access_token", "refresh_token"])
def test_known_hints_are_accepted(discord: Application, hint: str) -> None:
    form = {"token": discord.connect()["access_token"], "token_type_hint": hint}
    assert discord.post(discord.url("REVOKE"), form).ok


def test_an_unknown_hint_is_refused(discord: Application, control: Control) -> None:
    token = discord.connect()["access_token"]
    answer = discord.post(discord.url("REVOKE"), {"token": token, "token_type_hint": "bearer"})
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_token_type")
    assert control.token_state("discord", token) == "live"


@pytest.mark.parametrize("endpoint", ["TOKEN", "REVOKE"])
def test_json_bodies_are_refused(discord: Application, endpoint: str) -> None:
    body = {"grant_type": "refresh_token", "refresh_token": discord.connect()["refresh_token"]}
    body["token"] = body["refresh_token"]
    pair = (discord.client_id, discord.secret)
    answer = requests.post(discord.url(endpoint), json=body, auth=pair, timeout=5)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert discord.refresh(body["refresh_token"]).ok


def test_other_errors(discord: Application) -> None:
    assert discord.exchange("no").json() == {
        "error": "invalid_grant",
        "error_description": 'Invalid "code" in request.',
    }
    assert discord.exchange("").json()["error"] == "invalid_request"
    assert discord.exchange("no", grant_type="magic").json()["error"] == "unsupported_grant_type"
    discord.secret = "wrong"
    assert discord.exchange("no").status_code == 401


def test_the_authorization_is_described(discord: Application, control: Control) -> None:
    token = discord.connect()["access_token"]
    about = discord.get(f"{control.base_url}/discord/api/oauth2/@me", token).json()
    assert about["scopes"] == ["identify", "email"]
    assert about["application"]["id"] == discord.client_id
    assert about["user"]["username"] == "ada"
    assert "T" in about["expires"]


def test_the_address_needs_its_scope(discord: Application) -> None:
    shown = discord.identity(discord.connect(scope="identify")["access_token"]).json()
    assert "email" not in shown
    assert shown["id"].isdigit()
    assert discord.identity(discord.connect(scope="guilds")["access_token"]).status_code == 403
    assert discord.identity("no").json()["message"] == "401: Unauthorized"


def test_too_many_requests(discord: Application, control: Control) -> None:
    held = discord.connect()["refresh_token"]
    control.fault("discord", "refresh", "status", status=429, retry_after=64.57)
    answer = discord.refresh(held)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "65")
    assert answer.json() == {
        "message": "You are being rate limited.",
        "retry_after": 64.57,
        "global": False,
    }
    assert discord.refresh(held).ok


def test_denial_has_a_description(discord: Application) -> None:
    description = discord.callback(deny=True)["error_description"]
    assert description == "The resource owner or authorization server denied the request"


def test_the_versioned_paths_are_the_same(discord: Application, control: Control) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": discord.connect()["refresh_token"]}
    assert discord.post(f"{control.base_url}/discord/api/v10/oauth2/token", form).ok


def test_a_refresh_token_may_end(discord: Application, control: Control) -> None:
    control.switch("discord", refresh_ttl=1000)
    held = discord.connect()["refresh_token"]
    control.age("discord", 1001)
    assert discord.refresh(held).json()["error"] == "invalid_grant"
