"""Providers that misbehave: a bounded answer, nothing stored, nothing sent to a second host."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from app.oauth.answers import Failure, ProviderFailure
from app.oauth.outbound import Deadline, ask
from tests.http.test_unbound import is_connected
from tests.support.browser import Agent
from tests.support.providers import Fault, Sandbox
from tests.support.service import StartService, User
from tests.support.serving import StandIn

SENTENCES = {
    "the provider is not available",
    "the provider did not answer in time",
    "the provider's answer could not be understood",
}
QUICK: list[tuple[str, dict[str, object]]] = [
    ("status", {"status": 500}),
    ("status", {"status": 429, "retry_after": 7}),
    ("html", {}),
    ("empty", {}),
    ("bad_json", {}),
    ("wrong_types", {}),
    ("cut", {}),
    ("gigabyte", {}),
    ("gzip_bomb", {}),
    *(
        ("json", {"status": 200, "body": body})
        for body in (
            [],
            None,
            "x",
            {},
            {"access_token": None},
            {"access_token": 1},
            {"access_token": ""},
            {"access_token": "a", "expires_in": -1},
            {"access_token": "a", "expires_in": True},
            {"access_token": "a", "expires_in": "3600.0"},
            {"access_token": "a", "expires_in": 1e300},
            {"access_token": "a", "scope": 5},
            {"access_token": "a", "refresh_token": 5},
            {"access_token": "a", "token_type": "mac"},
            {"access_token": "a\r\nb"},
        )
    ),
]


@pytest.mark.parametrize(("kind", "parameters"), QUICK, ids=lambda value: str(value)[:40])
def test_a_token_answer_without_sense_connects_nothing(
    user: User, agent: Agent, fault: Fault, kind: str, parameters: dict[str, object]
) -> None:
    fault("github", "token", kind, **parameters)
    answer = agent.connect(user, "github")
    assert answer.status_code == 500
    assert answer.json()["error"].removeprefix("OAuth failed: ") in SENTENCES
    assert not is_connected(user, "github")


@pytest.mark.parametrize("token", ["a\x01b", "a\x7fb", "a\tb", "schl\u00fcssel", "a\u2028b"], ids=ascii)
@pytest.mark.parametrize("field", ["access_token", "refresh_token"])
def test_a_token_that_no_header_can_carry_is_no_token(
    user: User, agent: Agent, sandbox: Sandbox, fault: Fault, field: str, token: str
) -> None:
    callback = agent.consent(agent.start(user, "discord"))
    body = {"access_token": "a", "refresh_token": "b", "token_type": "Bearer", field: token}
    fault("discord", "token", "json", status=200, body=body)
    calls = sandbox.calls()
    answer = agent.call("GET", callback)
    assert answer.json()["error"] == "OAuth failed: the provider's answer could not be understood"
    assert (calls.of("discord"), calls.of("discord", "token")) == (1, 1), "it was shown to somebody"


@pytest.mark.parametrize("endpoint", ["identity", "long_lived"])
@pytest.mark.parametrize("kind", ["html", "bad_json", "cut"])
def test_what_was_received_before_a_failure_is_ended(
    user: User, agent: Agent, sandbox: Sandbox, fault: Fault, endpoint: str, kind: str
) -> None:
    watch = sandbox.watch()
    fault("facebook", endpoint, kind)
    answer = agent.connect(user, "facebook")
    assert answer.status_code == 500 and answer.json()["error"].startswith("OAuth failed: ")
    states = watch.states("facebook")
    assert "live" not in states and "revoked" in states
    assert not is_connected(user, "facebook")


@pytest.mark.parametrize("code", [301, 302, 307])
@pytest.mark.parametrize(
    ("provider", "name", "endpoint"),
    [
        ("github", "github", "token"),
        ("spotify", "spotify", "token"),
        ("discord", "discord", "identity"),
        ("facebook", "facebook", "long_lived"),
    ],
)
def test_nothing_follows_a_redirect(
    user: User,
    agent: Agent,
    fault: Fault,
    second_host: StandIn,
    provider: str,
    name: str,
    endpoint: str,
    code: int,
) -> None:
    fault(provider, endpoint, "redirect", url=second_host.url, status=code)
    assert agent.connect(user, name).status_code == 500
    assert second_host.requests == []


@pytest.mark.parametrize("kind", ["gigabyte", "gzip_bomb"])
def test_a_huge_answer_is_not_kept(user: User, agent: Agent, fault: Fault, kind: str) -> None:
    fault("discord", "token", kind)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert agent.connect(user, "discord").status_code == 500
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000, "kilobytes"


def test_nothing_of_the_environment_is_used(
    user: User,
    agent: Agent,
    sandbox: Sandbox,
    second_host: StandIn,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    callback = agent.consent(agent.start(user, "gmail"))
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, second_host.url)
    assert agent.call("GET", callback).status_code == 200
    assert second_host.requests == []
    sent = [row for row in sandbox.control.log("google") if row["endpoint"] == "token"][-1]
    assert "authorization" not in {name.lower() for name in sent["headers"]}


@pytest.mark.parametrize(("kind", "parameters"), [("hang", {}), ("drip", {"milliseconds": 400})])
def test_a_slow_provider_is_left_within_twelve_seconds(
    user: User, agent: Agent, fault: Fault, kind: str, parameters: dict[str, object]
) -> None:
    callback = agent.consent(agent.start(user, "discord"))
    fault("discord", "token", kind, **parameters)
    began = time.monotonic()
    answer = agent.call("GET", callback)
    assert time.monotonic() - began < 12
    assert answer.json()["error"] == "OAuth failed: the provider did not answer in time"


@pytest.mark.parametrize(("backlog", "seconds"), [(0, 3), (None, 5)], ids=["no connection", "no answer"])
def test_silence_is_left_before_the_whole_time_is_over(backlog: int | None, seconds: float) -> None:
    """Nobody accepts what comes here: what the backlog has no room for is not even connected."""
    with socket.create_server(("127.0.0.1", 0), backlog=backlog) as server:
        address, crowd = server.getsockname(), [socket.socket() for _ in range(3 if backlog == 0 else 0)]
        for one in crowd:
            one.setblocking(False)
            one.connect_ex(address)
        took = seconds_until_left(f"http://127.0.0.1:{address[1]}/", Deadline())
        for one in crowd:
            one.close()
    assert seconds - 0.1 < took < seconds + 1.5


DRIPS = {
    "head": ("http", b"HTTP/1.1 200 OK\r\nX-Slow: "),
    "body": ("http", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
    "chunk": ("http", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "handshake": ("https", b"\x16\x03\x03\x40\x00"),
}


@pytest.mark.parametrize("where", DRIPS)
def test_a_drip_is_left_when_the_time_is_over(where: str) -> None:
    scheme, at_once = DRIPS[where]
    with dripping(at_once) as port:
        assert 0.9 < seconds_until_left(f"{scheme}://127.0.0.1:{port}/", Deadline(1.0)) < 1.5


def test_what_nobody_takes_is_left_when_the_time_is_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        assert 0.9 < seconds_until_left(url, Deadline(1.0), method="POST", body=bytes(1 << 25)) < 1.5


def test_a_name_that_is_not_found_in_time_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    look_up = socket.getaddrinfo

    def slowly(*args: Any, **kwargs: Any) -> Any:
        time.sleep(0 if kwargs.get("flags") else 2.0)  # a number needs no looking up
        return look_up(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", slowly)
        assert 0.9 < seconds_until_left("http://localhost:1/", Deadline(1.0)) < 1.5


def test_a_host_may_have_a_name(second_host: StandIn) -> None:
    url = second_host.url.replace("127.0.0.1", "localhost")
    assert ask("GET", url, Deadline()).status == 200
    with pytest.raises(ProviderFailure) as failure:
        ask("GET", "http://localhost:1/", Deadline())
    assert failure.value.kind is Failure.UNAVAILABLE


@contextmanager
def dripping(at_once: bytes) -> Iterator[int]:
    """A server that says so much at once, and then goes on byte by byte."""

    def serve() -> None:
        connection, _ = server.accept()
        with connection, suppress(OSError):
            connection.send(at_once)
            while True:
                connection.send(b"1")
                time.sleep(0.1)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join(5)


def seconds_until_left(url: str, deadline: Deadline, *, method: str = "GET", body: bytes = b"") -> float:
    began = time.monotonic()
    with pytest.raises(ProviderFailure) as failure:
        ask(method, url, deadline, body=body)
    assert failure.value.kind is Failure.TIMED_OUT
    return time.monotonic() - began


@pytest.fixture
def second_host() -> Iterator[StandIn]:
    """Somebody else's server, who notes what reaches it."""
    host = StandIn()
    yield host
    host.close()


@pytest.mark.parametrize(
    "body", [b"[" * 60_000, b'{"a":' * 60_000, b"\xff\xfe", b"NaN", b"false", b"[]", b""]
)
@pytest.mark.parametrize("status", [400, 503])
def test_a_revocation_answered_with_nonsense_stays_queued(
    start_service: StartService, body: bytes, status: int
) -> None:
    stand_in = StandIn(status=status, body=body)
    service = start_service(GOOGLE_REVOKE_URL=stand_in.url)
    user = service.user()
    Agent(service).connect(user, "gmail")
    answer = user.call("DELETE", "/api/connections/gmail")
    stand_in.close()
    assert (answer.status_code, answer.json()["revocation"]) == (200, "queued")
    assert len(stand_in.requests) == 1
