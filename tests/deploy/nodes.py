"""What stands in for a node where nginx alone is looked at."""

from __future__ import annotations

import http.server
import socket
from dataclasses import dataclass
from email.message import Message

from tests.support.serving import Serving


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: Message
    body: bytes


class Node(Serving):
    """Notes every request. It answers 200 with an empty object, or takes the request and is gone."""

    def __init__(self, *, is_lost: bool = False) -> None:
        self.received: list[Received] = []
        noted = self.received

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65537)
                if self.raw_requestline and self.parse_request():
                    self.take()
                else:
                    self.close_connection = True

            def take(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                noted.append(Received(self.command, self.path, self.headers, body))
                if is_lost:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response_only(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.port = server.server_port
        super().__init__(server)
