"""A server in a thread of its own, and one that stands in for somebody else's."""

from __future__ import annotations

import http.server
import socketserver
import threading


class Serving:
    """Runs a server until closed."""

    def __init__(self, server: socketserver.BaseServer) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class StandIn(Serving):
    """Answers every request with the same bytes, and notes the first line of each."""

    def __init__(
        self, *, status: int = 200, body: bytes = b"{}", media_type: str = "application/json"
    ) -> None:
        self.requests: list[str] = []
        noted = self.requests

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_one_request(self) -> None:
                noted.append(repr(self.rfile.readline()))
                head = f"HTTP/1.1 {status} Said\r\nContent-Type: {media_type}\r\nConnection: close\r\n"
                self.wfile.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                self.close_connection = True

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}/endpoint"
        super().__init__(server)
