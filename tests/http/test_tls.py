"""A provider whose certificate nobody vouches for gets no request, and no secret."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.browser import Agent
from tests.support.service import StartService


def self_signed(folder: Path) -> Path:
    """Write a certificate for 127.0.0.1 and its key into one file; return where."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(minutes=1))
        .not_valid_after(datetime.now(UTC) + timedelta(minutes=10))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    path = folder / "both.pem"
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + certificate.public_bytes(pem)
    )
    return path


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
