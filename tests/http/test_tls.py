"""A provider whose certificate nobody vouches for gets no request, and no secret."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.oauth import outbound
from tests.support.browser import Agent
from tests.support.certificates import self_signed
from tests.support.service import StartService


@pytest.fixture
def certificate(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return self_signed(tmp_path, getattr(request, "param", "127.0.0.1"))


@pytest.fixture
def vouched_for(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Its certificate is an authority's."""
    monkeypatch.setattr(outbound, "DEFAULT_CA_BUNDLE_PATH", str(certificate))
    outbound.trust.cache_clear()
    yield
    outbound.trust.cache_clear()


@pytest.fixture
def impostor(certificate: Path) -> Iterator[tuple[str, list[bytes]]]:
    """An HTTPS server with a certificate of its own making: its address, and what it was told."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    told: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            plain, _ = listener.accept()
            with plain, context.wrap_socket(plain, server_side=True) as secure:
                told.append(secure.recv(4096))
        except OSError:
            pass  # the handshake was broken off, as it should be, or the test is over

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}/token", told
    listener.close()
    thread.join(5)


def test_an_unknown_certificate_ends_the_flow(
    start_service: StartService, impostor: tuple[str, list[bytes]]
) -> None:
    url, told = impostor
    service = start_service(GITHUB_TOKEN_URL=url)
    answer = Agent(service).connect(service.user(), "github")
    assert answer.json()["error"] == "OAuth failed: the provider is not available"
    assert told == []


@pytest.mark.usefixtures("vouched_for")
@pytest.mark.parametrize(
    ("certificate", "trusted"), [("127.0.0.1", True), ("elsewhere.example", False)], indirect=["certificate"]
)
def test_a_certificate_that_is_vouched_for_is_good_for_its_name_alone(
    start_service: StartService, impostor: tuple[str, list[bytes]], trusted: bool
) -> None:
    url, told = impostor
    service = start_service(GITHUB_TOKEN_URL=url)
    assert Agent(service).connect(service.user(), "github").status_code == 500
    assert bool(told) == trusted
