"""Facebook's peculiarities."""

import hashlib
import hmac

import pytest
import requests

from sandbox.driver import Application, Control
from sandbox.driving.person import consent

DAY = 86_400


def error_of(answer: requests.Response) -> tuple[int, int, int | None]:
    error = answer.json()["error"]
    assert error["fbtrace_id"]
    return answer.status_code, error["code"], error.get("error_subcode")


def graph(app: Application, path: str) -> str:
    return f"{app.control.base_url}/facebook/v26.0/{path}"


def own_id(app: Application, token: str) -> str:
    return str(app.identity(token).json()["id"])


def exchanged(app: Application, token: str) -> requests.Response:
    return app.post(app.url("TOKEN"), {"grant_type": "fb_exchange_token", "fb_exchange_token": token})


def test_the_exchange_works_by_get_and_by_post(facebook: Application, control: Control) -> None:
    query = {"client_id": facebook.client_id, "client_secret": facebook.secret}
    query |= {"redirect_uri": facebook.redirect_uri, "code_verifier": facebook.verifier}
    query["code"] = facebook.callback()["code"]
    reply = requests.get(facebook.url("TOKEN"), query, timeout=5).json()
    assert reply["token_type"] == "bearer"
    assert "scope" not in reply
    control.switch("facebook", post_exchange=False)
    assert error_of(facebook.exchange(facebook.callback()["code"])) == (400, 100, 33)


def test_no_grant_type_is_needed(facebook: Application) -> None:
    assert facebook.exchange(facebook.callback()["code"], grant_type=None).ok


@pytest.mark.parametrize("scope", ["email,user_posts", "email user_posts"])
def test_scopes_are_separated_by_commas_or_spaces(facebook: Application, scope: str) -> None:
    facebook.connect(scope=scope)
    granted = facebook.control.grants("facebook")["grants"][0]["scopes"]
    assert set(granted) == {"public_profile", "email", "user_posts"}


def test_a_declined_permission_stays_declined_until_asked_again(facebook: Application) -> None:
    facebook.connect(untick=("user_posts",))
    again = facebook.callback(return_scopes="true")
    assert again["denied_scopes"] == "user_posts"
    assert "Declined before" in facebook.session.get(facebook.authorize_url(), timeout=5).text
    asked_again = facebook.callback(return_scopes="true", auth_type="rerequest")
    assert "user_posts" in asked_again["granted_scopes"].split(",")
    assert asked_again.get("denied_scopes", "") == ""


def test_scopes_are_not_returned_unasked(facebook: Application) -> None:
    assert set(facebook.callback()) == {"code", "state"}


def test_the_callback_ends_in_a_harmless_fragment(facebook: Application) -> None:
    assert consent(facebook.session, facebook.authorize_url()).endswith("#_=_")


def test_denial_is_spelled_out(facebook: Application) -> None:
    denied = facebook.callback(deny=True)
    assert denied["error_reason"] == "user_denied"
    assert (denied["error_code"], denied["error_description"]) == ("200", "Permissions error")


def test_short_and_long_tokens_and_no_expiry(facebook: Application, control: Control) -> None:
    assert facebook.connect()["expires_in"] == 3600
    control.switch("facebook", short_token=False)
    assert facebook.connect()["expires_in"] == 5_184_000
    control.switch("facebook", omit_expires_in=True)
    assert "expires_in" not in facebook.connect()


def test_a_short_token_becomes_a_long_one(facebook: Application) -> None:
    short = facebook.connect()["access_token"]
    reply = exchanged(facebook, short).json()
    assert reply["access_token"] != short
    assert reply["expires_in"] == 5_184_000
    assert facebook.identity(short).ok
    assert facebook.identity(reply["access_token"]).ok


def test_a_long_token_may_gain_nothing(facebook: Application, control: Control) -> None:
    control.switch("facebook", short_token=False)
    token = facebook.connect()["access_token"]
    control.age("facebook", 50 * DAY)
    extended = exchanged(facebook, token).json()
    assert extended["expires_in"] == 60 * DAY
    control.switch("facebook", extend_on_reexchange=False)
    assert exchanged(facebook, token).json()["expires_in"] <= 10 * DAY


def test_an_expired_token_cannot_be_exchanged(facebook: Application, control: Control) -> None:
    token = facebook.connect()["access_token"]
    control.expire("facebook")
    assert error_of(exchanged(facebook, token)) == (400, 190, 463)


def test_there_is_no_refresh_token(facebook: Application) -> None:
    assert "refresh_token" not in facebook.connect()
    assert error_of(facebook.refresh("anything")) == (400, 100, None)


def test_errors_of_the_code_exchange(facebook: Application, control: Control) -> None:
    code = facebook.callback()["code"]
    assert error_of(facebook.exchange(code, redirect_uri="http://localhost:8080/callback")) == (
        400,
        100,
        36008,
    )
    assert facebook.exchange(code).ok
    assert error_of(facebook.exchange(code)) == (400, 100, 36009)
    control.switch("facebook", code_subcodes=False)
    assert error_of(facebook.exchange(code)) == (400, 100, None)
    control.switch("facebook", code_subcodes=True)
    late = facebook.callback()["code"]
    control.age("facebook", 601)
    assert error_of(facebook.exchange(late)) == (400, 100, 36007)
    assert error_of(facebook.exchange(late, client_id="nobody")) == (400, 101, None)
    assert error_of(facebook.exchange(late, client_secret="wrong")) == (400, 1, None)


def test_pkce_may_be_ignored(facebook: Application, control: Control) -> None:
    control.switch("facebook", pkce=False)
    assert facebook.exchange(facebook.callback()["code"], code_verifier="z" * 43).ok


def test_permissions_are_listed(facebook: Application) -> None:
    token = facebook.connect(untick=("user_posts",))["access_token"]
    data = facebook.get(graph(facebook, "me/permissions"), token).json()["data"]
    assert {"permission": "email", "status": "granted"} in data
    assert {"permission": "user_posts", "status": "declined"} in data


def test_the_address_is_absent_when_declined(facebook: Application) -> None:
    assert "email" not in facebook.identity(facebook.connect(untick=("email",))["access_token"]).json()
    token = facebook.connect("grace")["access_token"]
    assert facebook.identity(token).json()["email"] == "grace@example.com"


def test_the_token_may_be_a_parameter(facebook: Application) -> None:
    token = facebook.connect()["access_token"]
    assert requests.get(graph(facebook, "me"), {"access_token": token}, timeout=5).ok


def test_debug_token_inspects_own_tokens(facebook: Application, control: Control) -> None:
    token = facebook.connect()["access_token"]
    app_token = f"{facebook.client_id}|{facebook.secret}"
    url = graph(facebook, "debug_token")
    data = facebook.get(url, app_token, input_token=token).json()["data"]
    assert data["is_valid"] is True
    assert data["app_id"] == facebook.client_id
    assert data["user_id"] == own_id(facebook, token)
    control.revoke("facebook")
    data = facebook.get(url, app_token, input_token=token).json()["data"]
    assert (data["is_valid"], data["error"]["error_subcode"]) == (False, 458)
    assert facebook.get(url, app_token, input_token="no").json()["data"]["is_valid"] is False


def test_the_proof_is_checked_and_can_be_demanded(facebook: Application, control: Control) -> None:
    token = facebook.connect()["access_token"]
    proof = hmac.new(facebook.secret.encode(), token.encode(), hashlib.sha256).hexdigest()
    assert error_of(facebook.get(graph(facebook, "me"), token, appsecret_proof="0" * 64)) == (400, 100, None)
    control.switch("facebook", require_appsecret_proof=True)
    assert error_of(facebook.get(graph(facebook, "me"), token)) == (400, 100, None)
    assert facebook.get(graph(facebook, "me"), token, appsecret_proof=proof).ok


@pytest.mark.parametrize(("answer", "body"), [("true", True), ("success", {"success": True})])
@pytest.mark.parametrize("by", ["user", "app"])
def test_removal_ends_everything(
    facebook: Application, control: Control, answer: str, body: object, by: str
) -> None:
    control.switch("facebook", revoke_answer=answer)
    token, other = facebook.connect()["access_token"], facebook.connect()["access_token"]
    user_id = own_id(facebook, token)
    caller = token if by == "user" else f"{facebook.client_id}|{facebook.secret}"
    assert facebook.revoke(caller, user_id).json() == body
    assert control.grants("facebook")["counts"]["grants"] == 0
    assert error_of(facebook.identity(other)) == (400, 190, 458)


def test_a_second_removal(facebook: Application, control: Control) -> None:
    token = facebook.connect()["access_token"]
    user_id, app_token = own_id(facebook, token), f"{facebook.client_id}|{facebook.secret}"
    facebook.revoke(token, user_id)
    assert error_of(facebook.revoke(token, user_id)) == (400, 190, 458)
    assert error_of(facebook.revoke(app_token, user_id)) == (400, 190, 458)
    control.switch("facebook", app_token_already_gone="success")
    assert facebook.revoke(app_token, user_id).json() == {"success": True}


def test_one_permission_can_be_removed(facebook: Application) -> None:
    token = facebook.connect()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.delete(graph(facebook, "me/permissions/email"), headers=headers, timeout=5).ok
    assert "email" not in facebook.identity(token).json()


def test_a_user_cannot_remove_another(facebook: Application) -> None:
    ada, grace = facebook.connect()["access_token"], facebook.connect("grace")["access_token"]
    assert error_of(facebook.revoke(ada, own_id(facebook, grace))) == (400, 100, 33)
    assert facebook.identity(grace).ok


def test_a_token_nobody_knows(facebook: Application) -> None:
    assert error_of(facebook.identity("invented")) == (400, 190, None)
