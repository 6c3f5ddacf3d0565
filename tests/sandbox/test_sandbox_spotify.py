"""Spotify's peculiarities."""

import pytest
import requests

from sandbox.driver import Application, Control, PageShown

DAY = 86_400


def public(app: Application, **form: str) -> requests.Response:
    """A public client: no secret, ``client_id`` in the body."""
    return requests.post(app.url("TOKEN"), {"client_id": app.client_id, **form}, timeout=5)


def test_the_secret_is_only_taken_as_basic(spotify: Application) -> None:
    form = {"grant_type": "authorization_code", "code": spotify.callback()["code"]}
    form |= {"redirect_uri": spotify.redirect_uri, "code_verifier": spotify.verifier}
    answer = public(spotify, client_secret=spotify.secret, **form)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client")


def test_a_public_client_uses_pkce_and_rotates(spotify: Application) -> None:
    form = {"grant_type": "authorization_code", "redirect_uri": spotify.redirect_uri}
    first = public(spotify, code=spotify.callback()["code"], code_verifier=spotify.verifier, **form).json()
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = public(spotify, **refresh).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert public(spotify, **refresh).json()["error"] == "invalid_grant"


def test_a_public_client_needs_a_challenge(spotify: Application) -> None:
    code = spotify.callback(code_challenge=None, code_challenge_method=None)["code"]
    form = {"grant_type": "authorization_code", "redirect_uri": spotify.redirect_uri, "code": code}
    assert public(spotify, **form).json()["error"] == "invalid_client"
    assert public(spotify, code_verifier="v" * 43, **form).json()["error"] == "invalid_client"


def test_pkce_together_with_basic_is_a_switch(spotify: Application, control: Control) -> None:
    assert spotify.exchange(spotify.callback()["code"]).ok
    control.switch("spotify", pkce_with_basic=False)
    assert spotify.exchange(spotify.callback()["code"]).json()["error"] == "invalid_request"


def test_the_refresh_token_is_omitted_repeated_or_rotated(spotify: Application, control: Control) -> None:
    held = spotify.connect()["refresh_token"]
    assert "refresh_token" not in spotify.refresh(held).json()
    control.switch("spotify", refresh_token_on_refresh="same")
    assert spotify.refresh(held).json()["refresh_token"] == held
    control.switch("spotify", refresh_token_on_refresh="rotate")
    new = spotify.refresh(held).json()["refresh_token"]
    assert new != held
    assert spotify.refresh(held).json() == {
        "error": "invalid_grant",
        "error_description": "Refresh token revoked",
    }
    assert spotify.refresh(new).ok


@pytest.mark.parametrize("mode", ["omit", "rotate"])
def test_refreshing_does_not_move_the_six_months(spotify: Application, control: Control, mode: str) -> None:
    control.switch("spotify", refresh_token_on_refresh=mode, expired_refresh_description="Too old")
    held = spotify.connect()["refresh_token"]
    control.age("spotify", 180 * DAY)
    reply = spotify.refresh(held).json()
    control.age("spotify", 5 * DAY)
    answer = spotify.refresh(reply.get("refresh_token", held))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert answer.json()["error_description"] == "Too old"
    assert spotify.refresh(spotify.connect()["refresh_token"]).ok


def test_the_profile_depends_on_mode_and_scopes(spotify: Application, control: Control) -> None:
    token = spotify.connect()["access_token"]
    assert {"account_id", "id", "email", "country", "product"} <= set(spotify.identity(token).json())
    bare = spotify.connect(scope="user-library-read")["access_token"]
    assert "email" not in spotify.identity(bare).json()
    control.switch("spotify", dev_mode=True, account_id=False)
    assert set(spotify.identity(token).json()) == {"id", "display_name", "images", "type"}


def test_api_errors_are_nested_and_token_errors_flat(spotify: Application, control: Control) -> None:
    token = spotify.connect()["access_token"]
    control.expire("spotify")
    answer = spotify.identity(token)
    assert answer.status_code == 401
    assert answer.json() == {"error": {"status": 401, "message": "The access token expired"}}
    assert spotify.refresh("no").json()["error"] == "invalid_grant"


def test_too_many_requests(spotify: Application, control: Control) -> None:
    token = spotify.connect()["access_token"]
    control.fault("spotify", "identity", "status", status=429, retry_after=7)
    answer = spotify.identity(token)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert answer.json()["error"]["status"] == 429


@pytest.mark.parametrize("uri", ["http://localhost:8080/callback", "http://app.example/callback"])
def test_insecure_redirect_uris_show_a_page(spotify: Application, control: Control, uri: str) -> None:
    control.register_client("spotify", "careless", "its-secret", [uri])
    with pytest.raises(PageShown, match="Insecure redirect URI"):
        spotify.callback(client_id="careless", redirect_uri=uri)


def test_a_loopback_uri_without_port_fits_any(spotify: Application, control: Control) -> None:
    control.register_client("spotify", "native", "its-secret", ["http://127.0.0.1/callback"])
    spotify.callback(client_id="native", redirect_uri="http://127.0.0.1:4321/callback")
    with pytest.raises(PageShown, match="Invalid redirect URI"):
        spotify.callback(redirect_uri=spotify.redirect_uri.replace("8080", "4321"))


@pytest.mark.parametrize("path", ["/api/revoke", "/revoke", "/api/token/revoke", "/v1/me/revoke"])
def test_there_is_no_revocation(spotify: Application, control: Control, path: str) -> None:
    token = spotify.connect()["refresh_token"]
    answer = spotify.post(f"{control.base_url}/spotify{path}", {"token": token})
    assert answer.status_code == 404
    assert control.token_state("spotify", token) == "live"
    stray = control.log("spotify")[-1]
    assert (stray["path"], stray["endpoint"], stray["status"]) == ("/spotify" + path, "none", 404)


def test_the_text_for_a_used_code_is_a_switch(spotify: Application, control: Control) -> None:
    control.switch("spotify", used_code_description="Spent")
    code = spotify.callback()["code"]
    spotify.exchange(code)
    assert spotify.exchange(code).json()["error_description"] == "Spent"
