"""Google's peculiarities."""

import pytest
import requests

from sandbox.driver import Application, Control, PageShown

GMAIL = "https://www.googleapis.com/auth/gmail.readonly"
DRIVE = "https://www.googleapis.com/auth/drive"
EMAIL = "https://www.googleapis.com/auth/userinfo.email"
DAY = 86_400


def test_a_refresh_token_comes_with_offline_access_the_first_time(google: Application) -> None:
    assert "refresh_token" not in google.connect(access_type=None)
    assert "refresh_token" in google.connect()
    assert "refresh_token" not in google.connect()
    assert "refresh_token" in google.connect(prompt="consent")
    assert "refresh_token" not in google.connect(prompt="consent", access_type="online")


def test_scopes_come_back_aliased_and_reordered(google: Application) -> None:
    assert google.connect()["scope"] == f"{GMAIL} {EMAIL} openid"


def test_an_id_token_needs_openid(google: Application) -> None:
    assert "id_token" in google.connect()
    assert "id_token" not in google.connect(scope=GMAIL)


def test_earlier_scopes_can_be_included(google: Application) -> None:
    google.connect(scope=f"openid {GMAIL}")
    assert google.connect(scope=DRIVE)["scope"] == DRIVE
    both = google.connect(scope=DRIVE, include_granted_scopes="true")["scope"].split()
    assert {DRIVE, GMAIL, "openid"} == set(both)


def test_an_unticked_scope_is_missing_and_identity_cannot_be_unticked(google: Application) -> None:
    assert GMAIL not in google.connect(untick=(GMAIL,))["scope"]
    with pytest.raises(PageShown, match="cannot untick openid"):
        google.connect(untick=("openid",))


def test_in_testing_mode_the_refresh_token_ends_after_a_week(google: Application, control: Control) -> None:
    control.switch("google", testing_mode=True)
    reply = google.connect()
    assert reply["refresh_token_expires_in"] == 604_799
    control.age("google", 7 * DAY)
    assert google.refresh(reply["refresh_token"]).json()["error"] == "invalid_grant"


def test_in_testing_mode_identity_alone_does_not_end(google: Application, control: Control) -> None:
    control.switch("google", testing_mode=True)
    assert "refresh_token_expires_in" not in google.connect(scope="openid email")


def test_a_refresh_keeps_the_refresh_token(google: Application) -> None:
    first = google.connect()
    for _ in range(2):
        again = google.refresh(first["refresh_token"]).json()
        assert "refresh_token" not in again
        assert again["expires_in"] == 3599
        assert google.identity(again["access_token"]).ok


def test_an_unused_refresh_token_ends_after_six_months(google: Application, control: Control) -> None:
    held = google.connect()["refresh_token"]
    control.age("google", 150 * DAY)
    assert google.refresh(held).ok
    control.age("google", 150 * DAY)
    assert google.refresh(held).ok
    control.age("google", 190 * DAY)
    assert google.refresh(held).json() == {
        "error": "invalid_grant",
        "error_description": "Token has been expired or revoked.",
    }


def test_the_issuer_is_on_every_callback_while_switched_on(google: Application, control: Control) -> None:
    assert google.callback()["iss"] == "https://accounts.google.com"
    assert google.callback(deny=True)["iss"] == "https://accounts.google.com"
    control.switch("google", iss_on_denial=False)
    assert "iss" not in google.callback(deny=True)
    control.switch("google", iss=False)
    assert "iss" not in google.callback()


def test_revoking_one_token_ends_the_whole_grant(google: Application, control: Control) -> None:
    first, second = google.connect(), google.connect(prompt="consent")
    grace = google.connect("grace")
    answer = google.revoke(second["access_token"])
    assert (answer.status_code, answer.json()) == (200, {})
    assert google.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert control.grants("google")["counts"] == {"grants": 1, "access_tokens": 1, "refresh_tokens": 1}
    assert google.identity(grace["access_token"]).ok


def test_a_second_revoke_finds_nothing(google: Application) -> None:
    held = google.connect()["refresh_token"]
    assert google.revoke(held).ok
    again = google.revoke(held)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_token")


def test_an_expired_access_token_ends_nothing(google: Application, control: Control) -> None:
    reply = google.connect()
    control.expire("google")
    assert google.revoke(reply["access_token"]).status_code == 400
    assert control.token_state("google", reply["refresh_token"]) == "live"


@pytest.mark.parametrize(("together", "grants_left"), [(True, 0), (False, 1)])
def test_clients_of_one_project_share_the_grant(
    google: Application, control: Control, together: bool, grants_left: int
) -> None:
    control.switch("google", revoke_across_project=together)
    for client_id in ("first", "second"):
        control.register_client("google", client_id, google.secret, [google.redirect_uri], project="p")
        code = google.callback(client_id=client_id)["code"]
        token = google.exchange(code, client_id=client_id).json()["access_token"]
    google.revoke(token)
    assert control.grants("google")["counts"]["grants"] == grants_left


def test_the_101st_refresh_token_drops_the_oldest(google: Application, control: Control) -> None:
    first = google.connect()["refresh_token"]
    for _ in range(99):
        newest = google.connect(prompt="consent")["refresh_token"]
    assert control.token_state("google", first) == "live"
    newest = google.connect(prompt="consent")["refresh_token"]
    assert control.token_state("google", first) == "revoked"
    assert control.token_state("google", newest) == "live"
    assert control.grants("google")["counts"]["refresh_tokens"] == 100


def test_revoke_by_get_does_not_exist(google: Application, control: Control) -> None:
    token = google.connect()["access_token"]
    assert google.session.get(google.url("REVOKE"), params={"token": token}, timeout=5).status_code == 404
    assert control.token_state("google", token) == "live"


def test_a_wrong_verifier_is_an_invalid_grant(google: Application) -> None:
    answer = google.exchange(google.callback()["code"], code_verifier="y" * 43)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_plain_challenges_are_accepted(google: Application) -> None:
    google.connect(code_challenge=google.verifier, code_challenge_method="plain")


def test_an_unregistered_redirect_shows_the_mismatch(google: Application) -> None:
    with pytest.raises(PageShown, match="redirect_uri_mismatch"):
        google.callback(redirect_uri=google.redirect_uri + "?more=1")


def test_a_scope_is_required(google: Application) -> None:
    with pytest.raises(PageShown, match="Missing required parameter: scope"):
        google.callback(scope=None)


def test_a_wrong_client_is_a_401(google: Application, control: Control) -> None:
    google.secret = "wrong"
    answer = google.exchange("any")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    control.switch("google", invalid_client_status=400)
    assert google.exchange("any").status_code == 400


def test_basic_authentication_works_too(google: Application) -> None:
    form = {"grant_type": "authorization_code", "code": google.callback()["code"]}
    form |= {"redirect_uri": google.redirect_uri, "code_verifier": google.verifier}
    answer = requests.post(google.url("TOKEN"), form, auth=(google.client_id, google.secret), timeout=5)
    assert "access_token" in answer.json()


def test_tokeninfo_tells_the_scopes(google: Application) -> None:
    token = google.connect()["access_token"]
    url = f"{google.control.base_url}/google/tokeninfo"
    about = google.session.get(url, params={"access_token": token}, timeout=5).json()
    assert GMAIL in about["scope"].split()
    assert google.session.get(url, params={"access_token": "no"}, timeout=5).status_code == 400


def test_identity_follows_the_scopes(google: Application) -> None:
    shown = google.identity(google.connect()["access_token"]).json()
    assert shown["email"] == "ada@example.com"
    assert len(shown["sub"]) == 21
    assert "name" not in shown
    assert google.identity(google.connect(scope=GMAIL)["access_token"]).status_code == 403
