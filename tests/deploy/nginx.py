"""nginx as an operator runs it: the shipped file, included by the nginx.conf that Debian installs."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.support.certificates import self_signed
from tests.support.databases import ROOT
from tests.support.raw import Answer
from tests.support.service import free_port

PROGRAM = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
SHIPPED = ROOT / "deploy" / "nginx.conf"
NAME = "latchkey.test"
NOTHING: Mapping[str, str] = {}
SAID_ONCE = (
    "Cache-Control",
    "Content-Security-Policy",
    "Cross-Origin-Opener-Policy",
    "Cross-Origin-Resource-Policy",
    "Referrer-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
)

# What Debian sets for every site, and folders of the test's own.
NGINX_CONF = """
{user}
worker_processes 2;
pid nginx.pid;
error_log error.log info;
events {{ worker_connections {connections}; }}
http {{
    sendfile on;
    tcp_nopush on;
    types_hash_max_size 2048;
    default_type application/octet-stream;
    ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
    ssl_prefer_server_ciphers on;
    access_log access.log;
    gzip on;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include latchkey.conf;
}}
"""


class Nginx:
    """Runs in a folder of its own until closed. `nodes` are the ports of what it stands in front of."""

    def __init__(
        self,
        folder: Path,
        nodes: Sequence[int],
        *,
        connections: int = 512,
        changes: Mapping[str, str] = NOTHING,
    ) -> None:
        self.folder, self.http, self.https = folder, free_port(), free_port()
        folder.mkdir(exist_ok=True)
        self.certificate = self_signed(folder, NAME)
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(NGINX_CONF.format(user=user, connections=connections))
        (folder / "latchkey.conf").write_text(self._site(nodes, changes))
        with (folder / "output.log").open("wb") as output:
            self.process = subprocess.Popen(
                [PROGRAM, "-p", f"{folder}/", "-c", f"{folder}/nginx.conf", "-g", "daemon off;"],
                stdout=output,
                stderr=output,
            )
        self._wait_until_it_listens()

    def _site(self, nodes: Sequence[int], changes: Mapping[str, str]) -> str:
        """The shipped file with nodes, name, certificate, ports and folders of the test, and without IPv6."""
        lines = [line for line in SHIPPED.read_text("utf-8").splitlines() if "listen [::]" not in line]
        [node] = [line for line in lines if line.strip().startswith("server 127.0.0.1:8080")]
        at = lines.index(node)
        lines[at : at + 1] = [node.replace("8080", str(port)) for port in nodes]
        text = "\n".join(lines)
        own = {
            "connect.example.com": NAME,
            "/etc/ssl/latchkey/certificate.pem": str(self.certificate),
            "/etc/ssl/latchkey/key.pem": str(self.certificate),
            "listen 80": f"listen 127.0.0.1:{self.http}",
            "listen 443": f"listen 127.0.0.1:{self.https}",
            "/var/log/nginx": str(self.folder),
        }
        for shipped, replaced in (own | dict(changes)).items():
            assert shipped in text
            text = text.replace(shipped, replaced)
        return text

    def _wait_until_it_listens(self) -> None:
        end = time.monotonic() + 10
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.https)).close()
            except ConnectionRefusedError:
                assert self.process.poll() is None, (self.folder / "output.log").read_text()
                assert time.monotonic() < end
                time.sleep(0.01)

    def requests(self) -> list[dict[str, Any]]:
        """What its log of requests says so far."""
        return [json.loads(line) for line in (self.folder / "latchkey.log").read_text().splitlines()]

    def wait_for_request(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the last one that is wanted. It is written when its answer has been sent."""
        end = time.monotonic() + 5
        while True:
            for request in reversed(self.requests()):
                if wanted(request):
                    return request
            assert time.monotonic() < end, self.requests()
            time.sleep(0.01)

    def everything_written(self) -> dict[str, bytes]:
        """Every log, and whatever else it has put into its folder."""
        own = {"both.pem", "nginx.conf", "latchkey.conf"}
        files = [path for path in self.folder.rglob("*") if path.is_file() and path.name not in own]
        return {path.name: path.read_bytes() for path in files}

    def connect(self, *, tls: bool = True, name: str | None = NAME) -> socket.socket:
        """Return a connection. `name` is the one that the handshake asks for, if it asks for one."""
        port = self.https if tls else self.http
        plain = socket.create_connection(("127.0.0.1", port), timeout=10)
        if not tls:
            return plain
        context = ssl.create_default_context(cafile=str(self.certificate))
        context.check_hostname = name == NAME
        try:
            return context.wrap_socket(plain, server_hostname=name)
        except OSError:
            plain.close()
            raise

    def exchange(self, raw: bytes, *, tls: bool = True) -> Answer:
        """Send these bytes, and no more; return the answer."""
        with self.connect(tls=tls) as connection:
            # It may have answered, or hung up, before it has heard everything.
            with suppress(ConnectionError, ssl.SSLEOFError):
                connection.sendall(raw)
            response = http.client.HTTPResponse(connection)
            response.begin()
            return Answer(response)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)
