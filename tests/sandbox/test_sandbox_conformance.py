"""What all five providers have in common, asked of each of them."""

from collections.abc import Callable

import pytest
import requests

from sandbox.driver import Application, Control, PageShown, consent

PROVIDERS = ("google", "facebook", "github", "spotify", "discord")
ID_FIELDS = {"google": "sub", "facebook": "id", "github": "id", "spotify": "account_id", "discord": "id"}


@pytest.fixture(params=PROVIDERS)
def app(request: pytest.FixtureRequest, application: Callable[[str], Application]) -> Application:
    return application(request.param)


def is_failure(answer: requests.Response) -> bool:
    """GitHub fails with status 200, so the body decides."""
    return "error" in answer.json() and "access_token" not in answer.json()


def test_from_consent_to_revocation(app: Application, control: Control) -> None:
    callback = app.callback("grace")
    assert callback["state"] == "a state"
    token = app.exchange(callback["code"]).json()["access_token"]

    identity = app.identity(token)
    grace = next(a for a in control.accounts(app.provider) if a["key"] == "grace")["profile"]
    assert identity.json()[ID_FIELDS[app.provider]] == grace[ID_FIELDS[app.provider]]
    assert control.grants(app.provider)["counts"]["grants"] == 1

    if app.provider == "spotify":
        control.revoke("spotify", "grace")
    else:
        assert app.revoke(token, str(grace.get("id"))).ok
    assert control.grants(app.provider)["grants"] == []
    assert control.token_state(app.provider, token) == "revoked"
    assert app.identity(token).status_code in (400, 401)


def test_a_code_works_once(app: Application) -> None:
    code = app.callback()["code"]
    assert "access_token" in app.exchange(code).json()
    assert is_failure(app.exchange(code))


def test_a_code_expires(app: Application, control: Control) -> None:
    code = app.callback()["code"]
    control.age(app.provider, 601)
    assert is_failure(app.exchange(code))


@pytest.mark.parametrize("verifier", ["x" * 43, None])
def test_the_verifier_must_fit(app: Application, verifier: str | None) -> None:
    code = app.callback()["code"]
    answer = app.exchange(code, code_verifier=verifier)
    assert is_failure(answer)


def test_no_verifier_is_asked_for_without_a_challenge(app: Application) -> None:
    code = app.callback(code_challenge=None, code_challenge_method=None)["code"]
    assert "access_token" in app.exchange(code, code_verifier=None).json()


def test_the_redirect_uri_must_be_the_same_at_the_exchange(app: Application) -> None:
    code = app.callback()["code"]
    assert is_failure(app.exchange(code, redirect_uri=app.redirect_uri + "/"))


def test_a_code_belongs_to_its_client(app: Application, control: Control) -> None:
    code = app.callback()["code"]
    control.register_client(app.provider, "another", "anothers-secret", [app.redirect_uri])
    basic = ("another", "anothers-secret") if app.provider in ("spotify", "discord") else None
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": app.redirect_uri}
    form |= {"code_verifier": app.verifier}
    form |= {} if basic else {"client_id": "another", "client_secret": "anothers-secret"}
    headers = {"Accept": "application/json"}
    assert is_failure(requests.post(app.url("TOKEN"), form, auth=basic, headers=headers, timeout=5))


def test_the_secret_must_be_right(app: Application) -> None:
    code = app.callback()["code"]
    app.secret = "wrong"
    assert is_failure(app.exchange(code))


def test_denial_carries_the_state(app: Application) -> None:
    callback = app.callback(deny=True)
    assert (callback["error"], callback["state"]) == ("access_denied", "a state")
    assert "code" not in callback


def test_an_unregistered_redirect_uri_shows_a_page(app: Application) -> None:
    with pytest.raises(PageShown, match="400"):
        app.callback(redirect_uri="https://elsewhere.example/callback")


def test_an_unknown_client_shows_a_page(app: Application) -> None:
    with pytest.raises(PageShown, match="no client nobody"):
        app.callback(client_id="nobody")


def test_an_unticked_scope_is_not_granted(app: Application) -> None:
    loose = {
        "google": "https://www.googleapis.com/auth/gmail.readonly",
        "facebook": "user_posts",
        "github": "gist",
        "spotify": "user-read-private",
        "discord": "email",
    }[app.provider]
    app.connect(untick=(loose,))
    assert loose not in app.control.grants(app.provider)["grants"][0]["scopes"]


def test_a_page_can_be_answered_once(app: Application) -> None:
    page = app.session.get(app.authorize_url(), timeout=5)
    request_id = page.text.split('name="request" value="')[1].split('"')[0]
    url = f"{app.control.base_url}/{app.provider}/consent"
    form = {"request": request_id, "account": "ada", "decision": "deny"}
    answers = [app.session.post(url, form, allow_redirects=False, timeout=5) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [302, 400]


def test_a_banned_user_gets_no_further(app: Application, control: Control) -> None:
    token = app.connect()["access_token"]
    control.ban(app.provider)
    assert not app.identity(token).ok
    with pytest.raises(PageShown, match="disabled"):
        app.callback()


def test_an_access_token_expires(app: Application, control: Control) -> None:
    control.switch(app.provider, access_ttl=50)
    token = app.connect()["access_token"]
    if app.provider != "github":
        control.age(app.provider, 49)
        assert app.identity(token).ok
    control.age(app.provider, 51)
    assert control.token_state(app.provider, token) == "expired"
    assert not app.identity(token).ok


def test_an_account_can_be_added(app: Application, control: Control) -> None:
    control.add_account(app.provider, "linus", email="linus@example.org")
    assert app.identity(app.connect("linus")["access_token"]).ok


def test_every_secret_is_listed(app: Application, control: Control) -> None:
    callback = app.callback()
    token = app.exchange(callback["code"]).json()
    secrets = {callback["code"], token["access_token"], token.get("refresh_token", callback["code"])}
    assert secrets <= set(control.issued())


def test_the_log_shows_what_was_sent(app: Application, control: Control) -> None:
    app.connect()
    page, decision, exchange = control.log(app.provider)
    assert (page["endpoint"], page["query"]["state"]) == ("authorize", "a state")
    assert (decision["endpoint"], decision["status"]) == ("consent", 302)
    assert (exchange["endpoint"], exchange["status"]) == ("token", 200)
    assert exchange["form"]["code_verifier"] == app.verifier
    assert control.log(since=exchange["n"]) == []


def test_consent_goes_where_the_browser_goes(app: Application) -> None:
    location = consent(requests.Session(), app.authorize_url())
    assert location.startswith(app.redirect_uri + "?code=")
