"""A host application, as far as its tokens go: keys made anew for each run, and where it publishes them."""

from __future__ import annotations

import http.server
import json
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.algorithms import get_default_algorithms
from sqlalchemy import update

from app.extensions import db
from app.models import User as UserRow
from app.services import accounts
from tests.support.service import PASSWORD, Service, User
from tests.support.serving import Serving
from tests.support.tokens import claims_of, encode

ALGORITHMS = ("RS256", "ES256")


@cache
def private_key(algorithm: str, name: str = "first") -> Any:
    """Return one of the host's keys; the same for the same name."""
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def public_pem(algorithm: str, name: str = "first") -> str:
    return pem_of(private_key(algorithm, name).public_key())


def pem_of(key: Any) -> str:
    return str(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "ascii")


def private_pem(key: Any) -> str:
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), "ascii")


def jwk(algorithm: str, name: str = "first", **members: Any) -> dict[str, Any]:
    """Return a public key as a member of a JWK Set; its `kid` is its name. A member of ... is left out."""
    return jwk_of(private_key(algorithm, name).public_key(), **{"kid": name, **members})


def jwk_of(key: Any, **members: Any) -> dict[str, Any]:
    algorithm = "RS256" if hasattr(key, "key_size") and not hasattr(key, "curve") else "ES256"
    document = {**get_default_algorithms()[algorithm].to_jwk(key, as_dict=True), **members}
    return {name: value for name, value in document.items() if value is not ...}


def jwk_set(*members: Any) -> str:
    return json.dumps({"keys": list(members)})


def issue(
    user_id: Any, *, algorithm: str = "RS256", name: str = "first", header: Any = None, **claims: Any
) -> str:
    """Return the host's token for this user."""
    said = {key: value for key, value in claims_of(user_id, **claims).items() if value is not ...}
    return sign({"kid": name, **(header or {})}, said, algorithm=algorithm, name=name)


def sign(header: Any, claims: Any, *, algorithm: str = "RS256", name: str = "first") -> str:
    """Sign with a key of the host whatever is said. Header and claims may be the very text of them."""
    if not isinstance(header, str):
        header = json.dumps({"alg": algorithm, "typ": "JWT", **header})
    payload = claims if isinstance(claims, str | bytes) else json.dumps(claims)
    signed = f"{encode(header)}.{encode(payload)}"
    signature = get_default_algorithms()[algorithm].sign(signed.encode(), private_key(algorithm, name))
    return f"{signed}.{encode(signature)}"


def by_pem(folder: Path, algorithm: str = "RS256", **settings: str) -> dict[str, str]:
    """Return the settings of a service that takes the host's tokens, by a file of its key."""
    path = folder / f"{algorithm}.pem"
    path.write_text(public_pem(algorithm))
    return {"JWT_ALGORITHM": algorithm, "JWT_PUBLIC_KEY_FILE": str(path), **settings}


def by_url(publisher: Publisher, algorithm: str = "RS256", **settings: str) -> dict[str, str]:
    return {"JWT_ALGORITHM": algorithm, "JWT_JWKS_URL": publisher.url, **settings}


def add_user(service: Service, username: str, *, external_id: int | None = None) -> int:
    """Add a user as an operator does, or one whom the host knows by this id; return our own id of it."""
    with service.app.app_context():
        user = accounts.create(username=username, email=f"{username}@example.com", password=PASSWORD)
        id = user.id
        db.session.execute(update(UserRow).where(UserRow.id == id).values(external_id=external_id))
        db.session.commit()
    return id


class HostUser(User):
    """A user of the host application, who calls with its token. `id` is the host's."""

    def __init__(self, service: Service, id: int, username: str, **claims: Any) -> None:
        self.service, self.id, self.username = service, id, username
        self.token = issue(id, username=username, **claims)


class Publisher(Serving):
    """Where the host publishes its keys. What it answers may be changed at any time."""

    def __init__(self, *members: Any) -> None:
        self.requests: list[str] = []
        self.status, self.headers = 200, {"Content-Type": "application/json"}
        self.publish(*members)
        self._open = threading.Event()
        self._open.set()
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{server.server_port}/keys"
        super().__init__(server)

    def publish(self, *members: Any) -> None:
        self.body = jwk_set(*members).encode()

    def answer(self, status: int = 200, body: bytes = b"", **headers: str) -> None:
        """Answer this, whatever it is, from now on."""
        self.status, self.body, self.headers = status, body, headers

    def hang(self) -> None:
        """Take requests and say nothing, until `go_on`."""
        self._open.clear()

    def go_on(self) -> None:
        self._open.set()

    def wait_for_request(self, number: int = 1) -> None:
        end = time.monotonic() + 5
        while len(self.requests) < number:
            assert time.monotonic() < end, self.requests
            time.sleep(0.01)

    def close(self) -> None:
        self._open.set()
        super().close()

    def _handler(publisher) -> type[http.server.BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.requests.append(self.path)
                publisher._open.wait(10)
                self.send_response(publisher.status)
                for name, value in publisher.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(publisher.body)))
                self.end_headers()
                try:
                    self.wfile.write(publisher.body)
                except OSError:
                    pass  # whoever asked has gone

            def log_message(self, *args: Any) -> None:
                pass

        return Handler
