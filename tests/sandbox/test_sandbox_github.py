"""GitHub's peculiarities."""

import http.client
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import requests

from sandbox.driver import Application, Control, PageShown, consent

OFFLINE = "repo gist offline_access"
DAY = 86_400


def api(app: Application, path: str) -> str:
    return f"{app.control.base_url}/github/api{path}"


def applications(app: Application, method: str, path: str, token: str, secret: str = "") -> requests.Response:
    url = api(app, f"/applications/{app.client_id}/{path}")
    pair = (app.client_id, secret or app.secret)
    return requests.request(method, url, auth=pair, json={"access_token": token}, timeout=5)


def test_without_an_accept_header_the_reply_is_a_form(github: Application) -> None:
    form = {"client_id": github.client_id, "client_secret": github.secret, "code": github.callback()["code"]}
    form["code_verifier"] = github.verifier
    answer = requests.post(github.url("TOKEN"), form, timeout=5)
    assert answer.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
    assert parse_qs(answer.text)["scope"] == ["repo,gist,user:email"]
    failed = requests.post(github.url("TOKEN"), form, timeout=5)
    assert parse_qs(failed.text)["error"] == ["bad_verification_code"]


def test_errors_come_with_status_200(github: Application) -> None:
    code = github.callback()["code"]
    answers = {
        "bad_verification_code": github.exchange("no"),
        "redirect_uri_mismatch": github.exchange(code, redirect_uri="http://localhost:8080/"),
        "incorrect_client_credentials": github.exchange(code, client_secret="wrong"),
        "bad_refresh_token": github.refresh("no"),
    }
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert {name: answer.json()["error"] for name, answer in answers.items()} == {n: n for n in answers}


@pytest.mark.parametrize("status", [404, 200])
def test_an_unknown_client(github: Application, control: Control, status: int) -> None:
    control.switch("github", unknown_client_status=status)
    assert github.exchange("any", client_id="nobody").status_code == status


def test_basic_authentication_is_not_read(github: Application) -> None:
    form = {"code": github.callback()["code"], "code_verifier": github.verifier}
    headers = {"Accept": "application/json"}
    pair = (github.client_id, github.secret)
    answer = requests.post(github.url("TOKEN"), form, auth=pair, headers=headers, timeout=5)
    assert answer.json()["error"] == "incorrect_client_credentials"


def test_scopes_are_normalised_and_separated_by_commas(github: Application) -> None:
    assert github.connect(scope="user user:email read:user gist")["scope"] == "user,gist"


def test_without_a_scope_parameter_earlier_scopes_are_granted(github: Application) -> None:
    assert github.connect(scope=None)["scope"] == ""
    github.connect(scope="repo gist")
    assert github.connect(scope=None)["scope"] == "repo,gist"


@pytest.mark.parametrize(
    ("mode", "scope", "expires"),
    [
        ("none", OFFLINE, False),
        ("expiring", "repo gist", True),
        ("offline_access", OFFLINE, True),
        ("offline_access", "repo gist", False),
    ],
)
def test_expiry_has_three_modes(
    github: Application, control: Control, mode: str, scope: str, expires: bool
) -> None:
    control.switch("github", expiry=mode)
    reply = github.connect(scope=scope)
    assert reply["scope"] == "repo,gist"
    if expires:
        assert (reply["expires_in"], reply["refresh_token_expires_in"]) == (28_800, 15_897_600)
        assert reply["refresh_token"].startswith("ghr_")
    else:
        assert set(reply) == {"access_token", "scope", "token_type"}


def test_a_lasting_token_ends_after_a_year_unused(github: Application, control: Control) -> None:
    token = github.connect()["access_token"]
    control.age("github", 364 * DAY)
    assert github.identity(token).ok
    control.age("github", 364 * DAY)
    assert github.identity(token).ok
    control.age("github", 366 * DAY)
    assert github.identity(token).json()["message"] == "Bad credentials"


def test_rotation_kills_both_old_tokens(github: Application, control: Control) -> None:
    first = github.connect(scope=OFFLINE)
    second = github.refresh(first["refresh_token"]).json()
    assert github.identity(first["access_token"]).status_code == 401
    assert github.identity(second["access_token"]).ok
    assert github.refresh(first["refresh_token"]).json()["error"] == "bad_refresh_token"
    assert control.token_state("github", first["refresh_token"]) == "retired"
    assert github.refresh(second["refresh_token"]).json()["access_token"]


def test_strict_reuse_kills_the_family(github: Application, control: Control) -> None:
    control.switch("github", strict_reuse=True)
    first = github.connect(scope=OFFLINE)
    second = github.refresh(first["refresh_token"]).json()
    github.refresh(first["refresh_token"])
    assert control.token_state("github", second["access_token"]) == "revoked"


def test_a_refresh_token_ends_after_six_months_unused(github: Application, control: Control) -> None:
    first = github.connect(scope=OFFLINE)
    control.age("github", 180 * DAY)
    second = github.refresh(first["refresh_token"]).json()
    control.age("github", 180 * DAY)
    third = github.refresh(second["refresh_token"]).json()
    control.age("github", 185 * DAY)
    assert github.refresh(third["refresh_token"]).json()["error"] == "bad_refresh_token"


def test_a_refresh_cannot_name_scopes(github: Application) -> None:
    held = github.connect(scope=OFFLINE)["refresh_token"]
    assert "error" in github.refresh(held, scope="repo").json()
    assert "access_token" in github.refresh(held).json()


def test_the_issuer_is_on_the_callback_while_switched_on(github: Application, control: Control) -> None:
    assert github.callback()["iss"] == "https://github.com/login/oauth"
    assert github.callback(deny=True)["iss"] == "https://github.com/login/oauth"
    control.switch("github", iss=False)
    assert "iss" not in github.callback()


def test_denial_goes_to_the_registered_url(github: Application, control: Control) -> None:
    registered = "https://app.example/callback"
    control.register_client("github", "wild", "its-secret", [registered], wildcard=True)
    url = github.authorize_url(client_id="wild", redirect_uri="https://eu.app.example/callback/deep")
    assert consent(github.session, url).startswith("https://eu.app.example/callback/deep?code=")
    denied = consent(github.session, url, deny=True)
    assert denied.startswith(registered + "?error=access_denied&error_description=The+user+has+denied")


def test_wildcards_stay_on_the_host_and_in_the_path(github: Application, control: Control) -> None:
    control.register_client("github", "wild", "its-secret", ["https://app.example/callback"], wildcard=True)
    for uri in (
        "https://evilapp.example/callback",
        "https://app.example/callbacks",
        "https://app.example:1/callback",
    ):
        with pytest.raises(PageShown, match="400"):
            github.callback(client_id="wild", redirect_uri=uri)


def test_a_loopback_redirect_may_use_any_port(github: Application) -> None:
    github.callback(redirect_uri="http://127.0.0.1:5555/callback")


def test_without_a_redirect_uri_the_first_registered_is_used(github: Application, control: Control) -> None:
    url = github.authorize_url(redirect_uri=None)
    first = control.clients("github")[0]["redirect_uris"][0]
    assert consent(github.session, url).startswith(first)


def test_a_mismatch_may_go_to_the_registered_url(github: Application, control: Control) -> None:
    control.switch("github", redirect_mismatch="callback")
    callback = github.callback(redirect_uri="https://elsewhere.example/")
    assert (callback["error"], callback["state"]) == ("redirect_uri_mismatch", "a state")


@pytest.mark.parametrize("method", ["plain", None])
def test_plain_challenges_are_refused(github: Application, method: str | None) -> None:
    callback = github.callback(code_challenge=github.verifier, code_challenge_method=method)
    assert (callback["error"], callback["state"]) == ("invalid_request", "a state")


def test_the_error_of_a_wrong_verifier_is_a_switch(github: Application, control: Control) -> None:
    code = github.callback()["code"]
    assert github.exchange(code, code_verifier=None).json()["error"] == "bad_verification_code"
    control.switch("github", wrong_verifier_error="invalid_grant")
    assert github.exchange(code, code_verifier="v" * 43).json()["error"] == "invalid_grant"


def test_deleting_the_grant_ends_all_tokens(github: Application, control: Control) -> None:
    first, second = github.connect()["access_token"], github.connect(scope=OFFLINE)["access_token"]
    assert applications(github, "DELETE", "grant", first).status_code == 204
    assert github.identity(second).status_code == 401
    assert control.grants("github")["counts"] == {"grants": 0, "access_tokens": 0, "refresh_tokens": 0}


def test_deleting_one_token_leaves_the_others(github: Application, control: Control) -> None:
    first, second = github.connect(scope=OFFLINE)["access_token"], github.connect()["access_token"]
    assert applications(github, "DELETE", "token", first).status_code == 204
    assert github.identity(first).status_code == 401
    assert github.identity(second).ok
    assert control.grants("github")["counts"] == {"grants": 1, "access_tokens": 1, "refresh_tokens": 0}


@pytest.mark.parametrize("path", ["grant", "token"])
@pytest.mark.parametrize("status", [404, 422])
def test_what_is_already_gone(github: Application, control: Control, path: str, status: int) -> None:
    control.switch("github", already_gone_status=status)
    token = github.connect()["access_token"]
    assert applications(github, "DELETE", path, token).status_code == 204
    assert applications(github, "DELETE", path, token).status_code == status


def test_an_expired_token_cannot_end_the_grant(github: Application, control: Control) -> None:
    token = github.connect(scope=OFFLINE)["access_token"]
    control.expire("github")
    assert applications(github, "DELETE", "grant", token).status_code == 404
    assert control.grants("github")["counts"]["grants"] == 1


@pytest.mark.parametrize("status", [404, 401, 422])
def test_deleting_needs_the_secret(github: Application, control: Control, status: int) -> None:
    control.switch("github", wrong_secret_status=status)
    token = github.connect()["access_token"]
    assert applications(github, "DELETE", "grant", token, "wrong").status_code == status
    assert github.identity(token).ok


def test_deleting_needs_a_token_in_json(github: Application) -> None:
    url = api(github, f"/applications/{github.client_id}/grant")
    assert requests.delete(url, auth=(github.client_id, github.secret), timeout=5).status_code == 422


def test_a_token_can_be_checked_and_reset(github: Application) -> None:
    token = github.connect()["access_token"]
    checked = applications(github, "POST", "token", token).json()
    assert checked["user"]["login"] == "ada"
    assert checked["scopes"] == ["repo", "gist", "user:email"]
    renewed = applications(github, "PATCH", "token", token).json()["token"]
    assert github.identity(renewed).ok
    assert github.identity(token).status_code == 401
    assert applications(github, "POST", "token", token).status_code == 404


def test_the_eleventh_token_costs_the_oldest_unused_one(github: Application, control: Control) -> None:
    tokens = [github.connect()["access_token"] for _ in range(10)]
    github.identity(tokens[0])
    control.age("github", 61)
    newest = github.connect()["access_token"]
    states = [control.token_state("github", token) for token in [*tokens, newest]]
    assert states == ["live", "revoked", *["live"] * 9]


def test_else_the_one_used_longest_ago(github: Application, control: Control) -> None:
    tokens = [github.connect()["access_token"] for _ in range(10)]
    control.age("github", 61)
    for token in [*tokens[1:], tokens[0]]:
        github.identity(token)
    newest = github.connect()["access_token"]
    states = [control.token_state("github", token) for token in [*tokens, newest]]
    assert states == ["live", "revoked", *["live"] * 9]


def test_app_mode_has_no_scopes(github: Application, control: Control) -> None:
    control.switch("github", app_mode=True)
    reply = github.connect()
    assert reply["access_token"].startswith("ghu_")
    assert (reply["scope"], reply["expires_in"]) == ("", 28_800)
    assert github.refresh(reply["refresh_token"]).json()["access_token"].startswith("ghu_")


def test_an_installation_calls_back_without_state(github: Application, control: Control) -> None:
    url = f"{control.base_url}/github/apps/{github.client_id}/installations/new"
    with pytest.raises(PageShown, match="404"):
        consent(github.session, url)
    control.switch("github", app_mode=True)
    callback = dict(parse_qsl(urlsplit(consent(github.session, url)).query))
    assert set(callback) == {"code", "installation_id", "setup_action", "iss"}


def test_enterprise_server_has_its_api_under_v3(github: Application) -> None:
    token = github.connect()["access_token"]
    assert github.get(api(github, "/v3/user"), token).json()["login"] == "ada"
    assert github.get(api(github, "/v3/user/emails"), token).ok
    url = api(github, f"/v3/applications/{github.client_id}/grant")
    pair = (github.client_id, github.secret)
    assert requests.delete(url, auth=pair, json={"access_token": token}, timeout=5).status_code == 204


def test_api_calls_need_a_user_agent(github: Application) -> None:
    token = github.connect()["access_token"]
    connection = http.client.HTTPConnection(urlsplit(github.control.base_url).netloc, timeout=5)
    connection.request("GET", "/github/api/user", headers={"Authorization": f"Bearer {token}"})
    assert connection.getresponse().status == 403
    connection.close()


def test_the_user_and_the_addresses(github: Application, control: Control) -> None:
    token = github.connect()["access_token"]
    user = github.identity(token)
    assert isinstance(user.json()["id"], int)
    assert user.json()["email"] is None
    assert user.headers["X-OAuth-Scopes"] == "repo, gist, user:email"
    emails = github.get(api(github, "/user/emails"), token).json()
    assert [e["email"] for e in emails if e["primary"] and e["verified"]] == ["ada@example.com"]
    assert (
        github.get(api(github, "/user/emails"), github.connect(scope="repo")["access_token"]).status_code
        == 404
    )
    control.add_account("github", "ada", login="countess")
    assert github.identity(token).json()["login"] == "countess"


def test_the_repositories_of_the_user(github: Application, control: Control) -> None:
    answer = github.get(api(github, "/user/repos"), github.connect(scope="repo")["access_token"])
    assert answer.headers["X-OAuth-Scopes"] == "repo"
    names = [one["full_name"] for one in answer.json()]
    assert names == sorted(names) and all(name.startswith("ada/") for name in names)
    assert {one["private"] for one in answer.json()} == {True, False}
    assert all(isinstance(one["id"], int) and one["owner"]["login"] == "ada" for one in answer.json())
    enterprise = github.get(api(github, "/v3/user/repos"), github.connect(scope="repo")["access_token"])
    assert enterprise.json() == answer.json()


def test_without_the_scope_private_repositories_are_left_out(github: Application, control: Control) -> None:
    shown = github.get(api(github, "/user/repos"), github.connect(scope="gist")["access_token"]).json()
    assert shown and not any(one["private"] for one in shown)
    control.switch("github", app_mode=True)
    listed = github.get(api(github, "/user/repos"), github.connect()["access_token"]).json()
    assert any(one["private"] for one in listed)
    assert github.get(api(github, "/user/repos"), "nobody").json()["message"] == "Bad credentials"
