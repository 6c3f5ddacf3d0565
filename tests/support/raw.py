"""Requests that no client library would send: the bytes on the socket, and what comes back."""

from __future__ import annotations

import http.client
import socket

from tests.support.service import Service


class Answer:
    """An answer as far as it came: status, headers and body."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.content = response.read()


def exchange(service: Service, *parts: bytes) -> Answer:
    """Send these bytes, and no more; return the answer."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return Answer(response)


def request_head(service: Service, line: str, **headers: str) -> bytes:
    """Return the head of a request with our own Host, unless another is given."""
    fields = {"host": f"127.0.0.1:{service.port}", **headers}
    lines = [f"{line} HTTP/1.1", *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
