"""Of a query nothing is written down: not by nginx, whose log of errors quotes requests, nor by a node."""

from __future__ import annotations

import http.client
import secrets
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

from tests.deploy.conftest import StartNginx
from tests.deploy.nginx import NAME, Nginx
from tests.deploy.site import Site, kill
from tests.support.providers import Fault, Sandbox

CANARIES = [f"{kind}{secrets.token_hex(12)}" for kind in ("token", "code", "state")]
TOKEN, CODE, STATE = CANARIES


def escaped(text: str) -> str:
    """Every character as a percent-encoded byte."""
    return "".join(f"%{ord(character):02x}" for character in text)


def requests_with(query: str) -> list[bytes]:
    """Requests of every kind that carry this query: good ones, and each that somebody refuses."""

    def one(line: str, *fields: str, host: str = NAME, body: bytes = b"") -> bytes:
        lines = [f"{line} HTTP/1.1", f"Host: {host}", "Connection: close", *fields, "", ""]
        return "\r\n".join(lines).encode() + body

    paths = (
        "/healthz",
        "/api/nowhere",
        "/api/connections/gmail",
        "/callback",
        "/metrics",
        "/%zz",
        "/connect/t",
    )
    return [
        *(one(f"GET {path}?{query}") for path in paths),
        one(f"GET /api/connections/github/callback?{query}"),
        one(f"GET /api/connections/spotify/callback?{query}"),
        one(f"GET /api/connections/gmail%3F{query}"),
        one(f"GET /api/connections/gmail%3f{query}"),
        one(f"GET /api/connections/gmail#{query}"),
        one(f"GET https://{NAME}/api/connections?{query}"),
        one("GET /api/connections", f"Referer: https://a.test/?{query}"),
        one("GET /api/connections", f"Cookie: __Host-latchkey={query}", f"Authorization: Bearer {query}"),
        one(f"GET /connect/{TOKEN}"),
        one(f"POST /connect/{TOKEN}/confirm?{query}"),
        one(f"POST /api/auth/login?{query}", "Content-Length: 3", body=b"{}x"),
        one(f"POST /api/auth/login?{query}", "Content-Length: 70000", body=query.encode() * 3000),
        one(f"POST /api/auth/login?{query}", "Content-Length: x"),
        one(f"POST /api/auth/login?{query}", "Transfer-Encoding: chunked", body=f"{query}\r\n".encode()),
        one(f"POST /api/auth/login?{query}", "Transfer-Encoding: x"),
        one(f"TRACE /api/auth/me?{query}"),
        one(f"GET /api/auth/me?{query}", f"X-Long: {query * 300}"),
        one(f"GET /api/auth/me?{query}", f"no colon {query}"),
        one(f"GET /api/auth/me?{query}", "Host: b.test"),
        one(f"GET /api/auth/me?{query}", host="evil.test"),
        one(f"GET /api/auth/me?{query}&" + "x" * 9000),
        one(f"GET /api/auth/me?{query}&" + "x" * 20_000),
        f"GET /api/auth/me?{query} HTTP/9.9\r\nHost: {NAME}\r\n\r\n".encode(),
        f"GET /api/auth/me?{query}\r\n".encode(),
        f"GET /api/auth/me?{query} HTTP/1.1\r\n\r\n".encode(),
        f"get?{query}\r\n\r\n".encode(),
        b"GET /api/auth/me?" + query.encode() + b"\x00\xff HTTP/1.1\r\nHost: latchkey.test\r\n\r\n",
    ]


def queries() -> list[str]:
    plain = f"token={TOKEN}&code={CODE}&state={STATE}"
    return [plain, plain.replace(TOKEN, escaped(TOKEN)).replace(CODE, escaped(CODE))]


def send_everything(nginx: Nginx) -> list[int]:
    """Return the statuses of what was answered at all."""
    statuses = []
    for raw in (raw for query in queries() for raw in requests_with(query)):
        for tls in (True, False):
            with suppress(http.client.HTTPException, ConnectionError):
                statuses.append(nginx.exchange(raw, tls=tls).status)
    for name in ("evil.test", None):
        with suppress(ssl.SSLError):
            nginx.connect(name=name)
    with socket.create_connection(("127.0.0.1", nginx.https)) as plain:
        plain.sendall(requests_with(queries()[0])[0])
        plain.recv(1)
    return statuses


def found_in(places: dict[str, bytes], *more: str) -> set[str]:
    spellings = {spelling.encode() for one in (*CANARIES, *more) for spelling in (one, escaped(one))}
    return {place for place, text in places.items() if any(each in text for each in spellings)}


def test_no_log_has_a_query(own_site: Site, sandbox: Sandbox, fault: Fault) -> None:
    nginx = own_site.nginx
    assert {200, 301, 400, 401, 404, 405, 413, 414} <= set(send_everything(nginx))
    code, state = lose_the_nodes(own_site, sandbox, fault)
    assert 503 in send_everything(nginx)
    written = own_site.everything_written()
    assert {444, 500, 503} <= {request["status"] for request in nginx.requests()}
    assert all(b"/api/connections/gmail" in written[f"node {node.port}"] for node in own_site.nodes)
    assert not found_in(written, code, state)


def lose_the_nodes(site: Site, sandbox: Sandbox, fault: Fault) -> tuple[str, str]:
    """Kill the nodes while one has the callback of a flow in hand; return its code and state."""
    user, browser = site.user(f"user-{secrets.token_hex(6)}"), site.browser()
    callback = browser.consent(browser.start(user, "github"))
    fault("github", "token", "hang")
    calls = sandbox.calls()
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(browser.call, "GET", f"{callback}&token={TOKEN}")
        while not calls.of("github", "token"):
            assert not answer.done()
            time.sleep(0.01)
        for node in site.nodes:
            kill(node)
        assert (answer.result().status_code, answer.result().json()["code"]) == (500, "internal_error")
    sent = parse_qs(urlsplit(callback).query)
    return sent["code"][0], sent["state"][0]


def test_a_log_of_errors_would_have_them(start_nginx: StartNginx) -> None:
    """The scan sees what it looks for."""
    nginx = start_nginx(1, changes={"error_log /dev/null": "error_log seen.log info"})
    send_everything(nginx)
    assert found_in(nginx.everything_written()) == {"seen.log"}


def test_nor_when_connections_run_out(start_nginx: StartNginx) -> None:
    """At its highest levels, too, nginx would quote the request that it has no connection left for."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for log, places in (("error_log /dev/null", set()), ("error_log seen.log alert", {"seen.log"})):
            changes = {"error_log /dev/null": log}
            nginx = start_nginx(silent.getsockname()[1], connections=12, changes=changes)
            raw = requests_with(queries()[0])[0]
            waiting = []
            for _ in range(24):
                with suppress(OSError):
                    waiting.append(nginx.connect())
                    waiting[-1].sendall(raw)
            nginx.wait_for_request(lambda request: request["status"] == 500)
            for connection in waiting:
                connection.close()
            assert b"worker_connections are not enough" in nginx.everything_written()["error.log"]
            assert found_in(nginx.everything_written()) == places
