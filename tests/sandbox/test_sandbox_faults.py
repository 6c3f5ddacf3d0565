"""Every kind of fault, and what is left of the state after it."""

import gzip
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import requests

from sandbox.driver import Application, Control


def wait_for_held(control: Control, provider: str, number: int) -> None:
    deadline = time.monotonic() + 5
    while control.faults(provider)["held"] < number:
        assert time.monotonic() < deadline, "nothing is held"
        time.sleep(0.01)


def test_a_fault_spoils_as_often_as_ordered(discord: Application, control: Control) -> None:
    token = discord.connect()["access_token"]
    control.fault("discord", "identity", "status", status=500, times=2)
    assert [discord.identity(token).status_code for _ in range(3)] == [500, 500, 200]
    control.fault("discord", "identity", "status", status=503, times=0)
    assert [discord.identity(token).status_code for _ in range(3)] == [503] * 3
    control.clear_faults("discord")
    assert discord.identity(token).ok


def test_faults_keep_to_their_endpoint(google: Application, control: Control) -> None:
    for endpoint in ("refresh", "revoke", "identity", "authorize"):
        control.fault("google", endpoint, "status", status=500)
    assert google.session.get(google.authorize_url(), timeout=5).status_code == 500
    reply = google.connect()
    assert google.refresh(reply["refresh_token"]).status_code == 500
    assert google.identity(reply["access_token"]).status_code == 500
    assert google.revoke(reply["access_token"]).status_code == 500
    assert control.faults("google")["faults"] == []


def test_the_long_lived_exchange_is_its_own_endpoint(facebook: Application, control: Control) -> None:
    control.fault("facebook", "long_lived", "status", status=500)
    token = facebook.connect()["access_token"]
    form = {"grant_type": "fb_exchange_token", "fb_exchange_token": token}
    assert facebook.post(facebook.url("TOKEN"), form).status_code == 500
    assert facebook.post(facebook.url("TOKEN"), form).ok


@pytest.mark.parametrize(
    ("kind", "parameters", "status", "content"),
    [
        ("status", {"status": 503}, 503, "{"),
        ("html", {}, 502, "<html>"),
        ("empty", {}, 200, ""),
        ("bad_json", {}, 200, '{"access_token": "cut'),
        ("json", {"body": ["a", "list"], "status": 201}, 201, '["a", "list"]'),
        ("wrong_types", {}, 200, '{"access_token": 12345'),
    ],
)
def test_bad_replies(
    discord: Application,
    control: Control,
    kind: str,
    parameters: dict[str, object],
    status: int,
    content: str,
) -> None:
    held = discord.connect()["refresh_token"]
    control.fault("discord", "refresh", kind, **parameters)
    answer = discord.refresh(held)
    assert answer.status_code == status
    assert answer.text.startswith(content)
    assert discord.refresh(held).ok


def test_slow_answers_late_and_holds_up_nobody(discord: Application, control: Control) -> None:
    token = discord.connect()["access_token"]
    control.fault("discord", "identity", "slow", seconds=1.5)
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(discord.identity, token)
        while control.faults("discord")["faults"]:  # until the slow one has taken its fault
            time.sleep(0.01)
        assert requests.get(discord.url("USERINFO"), timeout=5).status_code == 401
        assert not slow.done()
        assert slow.result().ok


def test_drip_sends_byte_by_byte(discord: Application, control: Control) -> None:
    token = discord.connect()["access_token"]
    control.fault("discord", "identity", "drip", milliseconds=2)
    begun = time.monotonic()
    assert discord.identity(token).json()["username"] == "ada"
    assert time.monotonic() - begun > 0.2


def test_hang_never_answers(discord: Application, control: Control) -> None:
    control.fault("discord", "identity", "hang")
    with pytest.raises(requests.ReadTimeout):
        requests.get(discord.url("USERINFO"), timeout=0.2)


def test_a_hanging_request_ends_with_the_server(start: Callable[..., object]) -> None:
    ended = threading.Event()

    def hang(url: str) -> None:
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=10)
        ended.set()

    with start() as url:  # type: ignore[attr-defined]
        control = Control(url)
        control.fault("google", "identity", "hang")
        threading.Thread(target=hang, args=(f"{url}/google/v1/userinfo",), daemon=True).start()
        while not control.log("google"):
            time.sleep(0.01)
        begun = time.monotonic()
    assert ended.wait(3)
    assert time.monotonic() - begun < 2


def test_cut_breaks_off_in_the_body(discord: Application, control: Control) -> None:
    held = discord.connect()["refresh_token"]
    control.fault("discord", "refresh", "cut")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        discord.refresh(held)
    assert control.token_state("discord", held) == "retired"


def last_status(control: Control) -> int | None:
    """Return how the last call ended; the client may hear of it a moment before the log does."""
    end = time.monotonic() + 2
    while (status := control.log("discord")[-1]["status"]) is None and time.monotonic() < end:
        time.sleep(0.01)
    return None if status is None else int(status)


def test_drop_after_does_the_work_and_says_nothing(discord: Application, control: Control) -> None:
    reply = discord.connect()
    control.fault("discord", "refresh", "drop_after")
    with pytest.raises(requests.ConnectionError):
        discord.refresh(reply["refresh_token"])
    assert control.token_state("discord", reply["refresh_token"]) == "retired"
    assert last_status(control) == 444
    control.fault("discord", "revoke", "drop_after")
    with pytest.raises(requests.ConnectionError):
        discord.revoke(reply["access_token"])
    assert control.grants("discord")["counts"]["grants"] == 0


def test_hold_parks_until_released(discord: Application, control: Control) -> None:
    held = discord.connect()["refresh_token"]
    control.fault("discord", "refresh", "hold", times=2)
    with ThreadPoolExecutor() as pool:
        both = [pool.submit(discord.refresh, held) for _ in range(2)]
        wait_for_held(control, "discord", 2)
        assert control.token_state("discord", held) == "live"
        assert control.release("discord") == 2
        assert sorted(answer.result().status_code for answer in both) == [200, 400]


def test_hold_after_does_the_work_and_parks_the_answer(discord: Application, control: Control) -> None:
    held = discord.connect()["refresh_token"]
    control.fault("discord", "refresh", "hold_after")
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(discord.refresh, held)
        wait_for_held(control, "discord", 1)
        assert control.token_state("discord", held) == "retired"
        assert not answer.done()
        assert control.release("discord") == 1
        successor = answer.result().json()["refresh_token"]
    assert control.faults("discord")["held"] == 0
    assert control.token_state("discord", successor) == "live"


def test_a_gigabyte_streams(discord: Application, control: Control) -> None:
    control.fault("discord", "identity", "gigabyte")
    with requests.get(discord.url("USERINFO"), stream=True, timeout=5) as answer:
        sizes = [len(chunk) for chunk, _ in zip(answer.iter_content(1 << 20), range(8), strict=False)]
    assert sum(sizes) > 7 << 20


def test_a_gzip_bomb_is_small_on_the_wire(discord: Application, control: Control) -> None:
    control.fault("discord", "identity", "gzip_bomb")
    with requests.get(discord.url("USERINFO"), stream=True, timeout=5) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        packed = answer.raw.read(decode_content=False)
    assert len(packed) < 3 << 20
    one = len(packed) // 1024
    assert len(gzip.decompress(packed[: 2 * one])) == 2 << 20


@pytest.mark.parametrize("status", [302, 307])
def test_redirect_leads_elsewhere(discord: Application, control: Control, status: int) -> None:
    control.fault("discord", "token", "redirect", url="http://127.0.0.1:9/stolen", status=status)
    answer = discord.exchange("any")
    assert (answer.status_code, answer.headers["Location"]) == (status, "http://127.0.0.1:9/stolen")


def test_a_callback_can_carry_anything(facebook: Application, control: Control) -> None:
    parameters = {"error_code": "1349126", "error_message": "App not set up"}
    control.fault("facebook", "authorize", "callback", parameters=parameters)
    assert facebook.callback() == {"state": "a state", **parameters}
    control.fault("facebook", "authorize", "callback", parameters={"state": None, "code": "x"})
    assert facebook.callback() == {"code": "x"}


def test_unknown_faults_are_refused(control: Control) -> None:
    for order in (("token", "earthquake"), ("nowhere", "status"), ("token", "redirect")):
        with pytest.raises(requests.HTTPError, match="400"):
            control.fault("google", *order)


def test_a_client_that_stalls_holds_up_nobody(control: Control) -> None:
    address = urlsplit(control.base_url)
    with socket.create_connection((address.hostname, address.port), timeout=5) as stalled:
        stalled.sendall(
            b"POST /google/token HTTP/1.1\r\nHost: sandbox\r\nContent-Length: 100\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n\r\ncode="
        )
        time.sleep(0.05)
        assert requests.get(f"{control.base_url}/google/tokeninfo", timeout=2).status_code == 400
