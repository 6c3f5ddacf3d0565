"""The control API: switches, actions, inspection, reset."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from sandbox.driver import Application, Control

EXPECTED_SWITCHES = {
    "google": {"iss", "iss_on_denial", "testing_mode", "invalid_client_status", "revoke_across_project"},
    "facebook": {
        "post_exchange",
        "pkce",
        "short_token",
        "omit_expires_in",
        "require_appsecret_proof",
        "revoke_answer",
        "extend_on_reexchange",
        "code_subcodes",
        "app_token_already_gone",
    },
    "github": {
        "expiry",
        "app_mode",
        "iss",
        "iss_on_denial",
        "already_gone_status",
        "wrong_secret_status",
        "unknown_client_status",
        "wrong_verifier_error",
        "redirect_mismatch",
    },
    "spotify": {
        "refresh_token_on_refresh",
        "dev_mode",
        "account_id",
        "pkce_with_basic",
        "used_code_description",
        "expired_refresh_description",
    },
    "discord": {"dead_refresh_error", "dead_revoke_status", "rotation_grace", "refresh_ttl"},
}


@pytest.mark.parametrize("provider", EXPECTED_SWITCHES)
def test_every_switch_is_shown(control: Control, provider: str) -> None:
    common = {"code_ttl", "access_ttl", "strict_reuse"}
    assert set(control.switches(provider)) == EXPECTED_SWITCHES[provider] | common


@pytest.mark.parametrize(
    "values", [{"nonsense": True}, {"expiry": "sometimes"}, {"iss": "yes"}, {"code_ttl": "long"}]
)
def test_a_switch_refuses_nonsense(control: Control, values: dict[str, object]) -> None:
    before = control.switches("github")
    with pytest.raises(requests.HTTPError, match="400"):
        control.switch("github", **values)
    assert control.switches("github") == before


def test_code_lifetime_is_a_switch(spotify: Application, control: Control) -> None:
    control.switch("spotify", code_ttl=30)
    code = spotify.callback()["code"]
    control.age("spotify", 31)
    assert spotify.exchange(code).json()["error_description"] == "Authorization code expired"


def test_one_token_can_expire_alone(discord: Application, control: Control) -> None:
    first, second = discord.connect(), discord.connect()
    assert control.expire("discord", token=first["access_token"]) == 1
    assert control.token_state("discord", first["access_token"]) == "expired"
    assert discord.identity(second["access_token"]).ok
    assert control.expire("discord") == 1
    assert control.token_state("discord", second["refresh_token"]) == "live"


def test_rotation_behind_the_clients_back(github: Application, control: Control) -> None:
    held = github.connect(scope="repo offline_access")["refresh_token"]
    [rotated] = control.rotate("github")
    assert rotated["old"] == held
    assert control.token_state("github", held) == "retired"
    assert github.refresh(rotated["new"]).json()["access_token"]


def test_grants_show_live_tokens(discord: Application, control: Control) -> None:
    reply = discord.connect()
    [grant] = control.grants("discord")["grants"]
    assert (grant["client_id"], grant["account"]) == ("sandbox-discord", "ada")
    assert grant["access_tokens"] == [reply["access_token"]]
    assert grant["refresh_tokens"] == [reply["refresh_token"]]
    assert control.token_state("discord", "invented") == "unknown"


def test_a_banned_user_can_come_back(discord: Application, control: Control) -> None:
    control.ban("discord")
    control.ban("discord", banned=False)
    assert discord.connect()


def test_unknown_names_are_404(control: Control) -> None:
    for call in (lambda: control.switches("myspace"), lambda: control.revoke("google", "nobody")):
        with pytest.raises(requests.HTTPError, match="404"):
            call()


def test_reset_keeps_clients_and_issued_secrets(discord: Application, control: Control) -> None:
    control.register_client("discord", "kept", "its-secret", ["https://app.example/cb"])
    control.switch("discord", rotation_grace=5)
    control.add_account("discord", "linus")
    control.fault("discord", "token", "html", times=0)
    code = discord.callback()["code"]
    control.reset()
    assert "kept" in [client["client_id"] for client in control.clients("discord")]
    assert control.switches("discord")["rotation_grace"] == 0
    assert [account["key"] for account in control.accounts("discord")] == ["ada", "grace"]
    assert control.faults("discord")["faults"] == []
    assert control.grants("discord")["counts"]["grants"] == 0
    assert control.log() == []
    assert code in control.issued()


def test_the_log_can_be_emptied_and_filtered(
    control: Control, application: Callable[[str], Application]
) -> None:
    application("google").callback()
    application("discord").callback()
    assert {entry["provider"] for entry in control.log()} == {"google", "discord"}
    assert {entry["provider"] for entry in control.log("google")} == {"google"}
    first, *others = [entry["n"] for entry in control.log()]
    assert [entry["n"] for entry in control.log(since=first)] == others
    assert [entry["n"] for entry in control.log(last=2)] == others[-2:]
    assert control.log("google", last=1) == control.log("google")[-1:]
    control.clear_log()
    assert control.log() == []


def test_the_log_keeps_what_was_repeated(control: Control) -> None:
    url = f"{control.base_url}/google/tokeninfo"
    requests.get(url, params=[("a", "1"), ("a", "2"), ("b", "3")], timeout=5)
    assert control.log()[-1]["query"] == {"a": ["1", "2"], "b": "3"}


def test_one_refresh_token_is_spent_once_under_contention(discord: Application, control: Control) -> None:
    held = discord.connect()["refresh_token"]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: discord.refresh(held).status_code, range(16)))
    assert sorted(answers) == [200] + [400] * 15


def test_one_code_is_spent_once_under_contention(google: Application) -> None:
    code = google.callback()["code"]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: google.exchange(code).status_code, range(16)))
    assert sorted(answers) == [200] + [400] * 15


def test_a_foreign_page_cannot_send_json_as_a_form(control: Control) -> None:
    url = f"{control.base_url}/control/google/ban"
    answer = requests.post(url, '{"account": "ada"}', headers={"Content-Type": "text/plain"}, timeout=5)
    assert answer.status_code == 415
