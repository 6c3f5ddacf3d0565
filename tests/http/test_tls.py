"""A provider whose certificate nobody vouches for gets no request, and no secret."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browser import Agent
from tests.support.certificates import self_signed
from tests.support.service import StartService


@pytest.fixture
def impostor(tmp_path: Path) -> Iterator[tuple[str, list[bytes]]]:
    """An HTTPS server with a certificate of its own making: its address, and what it was told."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
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
