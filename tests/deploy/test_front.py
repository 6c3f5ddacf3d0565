"""nginx alone, before nodes that are imitated: whom it lets in, what it passes on, what it says by itself."""

from __future__ import annotations

import http.client
import ipaddress
import json
import re
import socket
import ssl
from pathlib import Path

import pytest

from tests.deploy.conftest import StartNginx, StartNode
from tests.deploy.nginx import NAME, SAID_ONCE, SHIPPED, Nginx
from tests.deploy.nodes import Node
from tests.support.databases import ROOT
from tests.support.raw import Answer
from tests.support.service import free_port

FORGED = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Protocol": "http",
    "X-Forwarded-Ssl": "off",
    "X-Real-IP": "6.6.6.6",
    "Forwarded": "for=6.6.6.6;host=evil.test;proto=http",
    "X_Forwarded_For": "6.6.6.6",
    "SCRIPT_NAME": "/evil",
}


@pytest.fixture
def node(start_node: StartNode) -> Node:
    return start_node()


@pytest.fixture
def nginx(start_nginx: StartNginx, node: Node) -> Nginx:
    return start_nginx(node.port)


def request(line: str, *fields: str, host: str = NAME, body: bytes = b"") -> bytes:
    length = [f"Content-Length: {len(body)}"] if body else []
    lines = [f"{line} HTTP/1.1", f"Host: {host}", "Connection: close", *fields, *length, "", ""]
    return "\r\n".join(lines).encode() + body


def said(answer: Answer) -> tuple[int, str]:
    """Status and code of one of nginx's own answers, which must be whole and dressed as the service's are."""
    document = json.loads(answer.content)
    assert set(document) == {"error", "code"}
    assert answer.headers["Content-Type"] == "application/json"
    assert all(len(answer.headers.get_all(name, [])) == 1 for name in SAID_ONCE)
    return answer.status, document["code"]


def test_only_four_lines_are_the_operators() -> None:
    marked = [line.split()[0] for line in SHIPPED.read_text("utf-8").splitlines() if "  # yours" in line]
    assert marked == ["server", "server_name", "ssl_certificate", "ssl_certificate_key"]


def test_what_it_says_is_documented() -> None:
    table = re.findall(
        r"^\| `(\w+)` \| (\d+) \| ([^|]+) \|", (ROOT / "docs/errors.md").read_text(), re.MULTILINE
    )
    documented = {code: (status, sentence) for code, status, sentence in table}
    shipped = re.findall(r"^    (\d+|default) +'({.*})';$", SHIPPED.read_text("utf-8"), re.MULTILINE)
    assert len(shipped) == 8
    for status, text in shipped:
        document = json.loads(text)
        assert documented[document["code"]] == (status.replace("default", "400"), document["error"])


def test_plain_http_is_sent_to_https_without_its_query(nginx: Nginx, node: Node) -> None:
    answer = nginx.exchange(request("GET /api/connections/gmail?token=t"), tls=False)
    assert (answer.status, answer.headers["Location"]) == (301, f"https://{NAME}/api/connections/gmail")
    answer = nginx.exchange(request("GET /%0d%0aSet-Cookie:a=b"), tls=False)
    assert answer.headers["Location"] == f"https://{NAME}/%0d%0aSet-Cookie:a=b"
    assert node.received == []


@pytest.mark.parametrize("line", ["GET /", "GET http://evil.test/"])
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_another_host_gets_nothing(nginx: Nginx, node: Node, tls: bool, line: str) -> None:
    host = NAME if "evil" in line else "evil.test"
    with pytest.raises(http.client.RemoteDisconnected):
        nginx.exchange(request(line, host=host), tls=tls)
    assert node.received == []


@pytest.mark.parametrize("name", ["evil.test", None])
def test_another_name_gets_no_handshake(nginx: Nginx, name: str | None) -> None:
    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        nginx.connect(name=name)


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: latchkey.test\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    ids=["nonsense", "version", "no host"],
)
def test_who_names_no_host_in_clear_gets_nothing(nginx: Nginx, raw: bytes) -> None:
    with pytest.raises(http.client.RemoteDisconnected):
        nginx.exchange(raw, tls=False)


def test_older_protocols_are_refused(nginx: Nginx) -> None:
    with nginx.connect() as connection:
        assert connection.version() == "TLSv1.3"  # type: ignore[attr-defined]
    context = ssl.create_default_context(cafile=str(nginx.certificate))
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", nginx.https)) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain, server_hostname=NAME)


def test_forwarded_headers_are_its_own(nginx: Nginx, node: Node) -> None:
    fields = [f"{name}: {value}" for name, value in FORGED.items()] + ["X-Forwarded-For: 7.7.7.7"]
    assert nginx.exchange(request("GET /path?query=1", *fields)).status == 200
    [received] = node.received
    found = {name: received.headers.get_all(name) for name in ("Host", *FORGED)}
    assert {name: values for name, values in found.items() if values} == {
        "Host": [NAME],
        "X-Forwarded-For": ["127.0.0.1"],
        "X-Forwarded-Proto": ["https"],
        "X-Forwarded-Host": [NAME],
    }
    assert received.path == "/path?query=1"


def test_a_port_in_the_host_is_not_passed_on(nginx: Nginx, node: Node) -> None:
    assert nginx.exchange(request("GET /", host=f"{NAME}:{nginx.https}")).status == 200
    assert node.received[0].headers["Host"] == NAME


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: latchkey.test\r\n\r\n", 400),
        (request("GET /", "Content-Length: x"), 400),
        (request("GET /", "Host: other.test"), 400),
        (request("GET /", "no colon"), 400),
        (request("GET /", "Transfer-Encoding: other"), 400),
        (request("GET /", "X-Long: " + "x" * 20_000), 400),
        (request("GET /?token=" + "t" * 20_000), 414),
    ],
    ids=["nonsense", "version", "length", "two hosts", "no colon", "encoding", "long header", "long line"],
)
def test_what_cannot_be_understood(nginx: Nginx, node: Node, raw: bytes, status: int) -> None:
    assert said(nginx.exchange(raw)) == (status, "invalid_request")
    assert node.received == []


def test_plain_http_at_the_port_of_https(nginx: Nginx) -> None:
    with socket.create_connection(("127.0.0.1", nginx.https)) as connection:
        connection.sendall(request("GET /?token=t"))
        response = http.client.HTTPResponse(connection)
        response.begin()
    assert (response.status, response.headers["Location"]) == (301, f"https://{NAME}/")


def test_a_method_that_is_never_passed_on(nginx: Nginx, node: Node) -> None:
    assert said(nginx.exchange(request("TRACE /"))) == (405, "method_not_allowed")
    assert node.received == []


@pytest.mark.parametrize("path", ["/latchkey-failure", "/latchkey-unanswered"])
def test_its_own_pages_are_not_to_be_had(nginx: Nginx, path: str) -> None:
    assert said(nginx.exchange(request(f"GET {path}"))) == (404, "not_found")


def chunked(size: int) -> bytes:
    head = request("POST /", "Transfer-Encoding: chunked", "Content-Type: application/json")
    return head + b"%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
def test_the_largest_body(nginx: Nginx, node: Node, is_chunked: bool) -> None:
    def post(size: int) -> Answer:
        return nginx.exchange(chunked(size) if is_chunked else request("POST /", body=b"x" * size))

    assert post(65536).status == 200
    assert said(post(65537)) == (413, "body_too_large")
    assert [len(received.body) for received in node.received] == [65536]
    assert not [name for name in nginx.everything_written() if not name.endswith((".log", ".pid"))]


def test_a_long_token_in_the_query_is_passed_on(nginx: Nginx, node: Node) -> None:
    assert nginx.exchange(request("GET /?token=" + "t" * 6000)).status == 200
    assert len(node.received[0].path) == 6008


def test_nobody_listens(start_nginx: StartNginx) -> None:
    nginx = start_nginx(free_port(), free_port())
    for line in ("GET /", "POST /"):
        answer = nginx.exchange(request(line, body=b"{}"))
        assert said(answer) == (503, "not_ready") and answer.headers["Retry-After"] == "5"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_who_is_not_there_is_passed_over(start_nginx: StartNginx, node: Node, method: str) -> None:
    nginx = start_nginx(free_port(), node.port)
    for _ in range(6):
        assert nginx.exchange(request(f"{method} /", body=b"{}")).status == 200
    assert len(node.received) == 6


def test_what_a_lost_node_was_to_read_is_read_from_another(
    start_nginx: StartNginx, start_node: StartNode, node: Node
) -> None:
    lost = start_node(is_lost=True)
    nginx = start_nginx(lost.port, node.port)
    assert [nginx.exchange(request("GET /")).status for _ in range(6)] == [200] * 6
    assert lost.received and len(node.received) == 6


def test_nothing_is_posted_twice(start_nginx: StartNginx, start_node: StartNode, node: Node) -> None:
    """Nobody knows what a lost node has done with it, so nobody is told to repeat it either."""
    lost = start_node(is_lost=True)
    nginx = start_nginx(lost.port, node.port)
    answers = [nginx.exchange(request("POST /", body=str(n).encode())) for n in range(8)]
    failed = [answer for answer in answers if answer.status != 200]
    assert failed and all(said(answer) == (500, "internal_error") for answer in failed)
    assert not any("Retry-After" in answer.headers for answer in failed)
    assert sorted(int(received.body) for received in lost.received + node.received) == list(range(8))
    assert len(failed) == len(lost.received) < 8, "a node that is lost is left alone for a while"


def test_a_node_that_is_slow_to_answer_is_not_asked_twice(
    start_nginx: StartNginx, start_node: StartNode, node: Node
) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    changes = {"proxy_read_timeout 45s": "proxy_read_timeout 1s", "_timeout 10s;  ": "_timeout 500ms;"}
    nginx = start_nginx(silent.getsockname()[1], node.port, changes=changes)
    answers = [nginx.exchange(request("GET /")) for _ in range(2)]
    assert sorted(answer.status for answer in answers) == [200, 500]
    assert len(node.received) == 1
    silent.close()


def test_metrics_are_for_neighbours(start_nginx: StartNginx, node: Node) -> None:
    nginx = start_nginx(node.port)
    assert nginx.exchange(request("GET /metrics")).status == 200
    stranger = start_nginx(node.port, changes={"allow 127.0.0.0/8;": "allow 127.0.0.9/32;"})
    for path in ("/metrics", "//metrics", "/%6detrics", "/x/../metrics", "/./metrics?x", "/metrics#x"):
        assert said(stranger.exchange(request(f"GET {path}"))) == (403, "forbidden"), path
    assert len(node.received) == 1
    allowed = re.findall(r"allow (.+);", SHIPPED.read_text("utf-8"))
    assert all(ipaddress.ip_network(network).is_private for network in allowed)
    assert not any(ipaddress.ip_network(network).num_addresses > 2**121 for network in allowed)


def test_answers_to_acme_are_files(start_nginx: StartNginx, node: Node, tmp_path: Path) -> None:
    folder = tmp_path / ".well-known" / "acme-challenge"
    folder.mkdir(parents=True)
    (folder / "name").write_text("answer")
    nginx = start_nginx(node.port, changes={"root /var/www/html": f"root {tmp_path}"})
    moved = nginx.exchange(request("GET /.well-known/acme-challenge/name"), tls=False)
    assert moved.headers["Location"] == f"https://{NAME}/.well-known/acme-challenge/name"
    assert nginx.exchange(request("GET /.well-known/acme-challenge/name")).content == b"answer"
    assert said(nginx.exchange(request("GET /.well-known/acme-challenge/other"))) == (404, "not_found")
    assert node.received == []


def test_nothing_is_compressed(nginx: Nginx) -> None:
    answer = nginx.exchange(request("GET /", "Accept-Encoding: gzip"))
    assert "Content-Encoding" not in answer.headers and answer.content == b"{}"


def test_what_its_log_says(nginx: Nginx) -> None:
    nginx.exchange(request("POST /api/connections/gmail%3Ftoken=t?code=c#state", body=b"x" * 70_000))
    told = nginx.wait_for_request(lambda request: request["status"] == 413)
    assert (told["method"], told["path"], told["address"]) == ("POST", "/api/connections/gmail", "127.0.0.1")
    nginx.exchange(request("GET /connect/ticket/confirm"))
    told = nginx.wait_for_request(lambda request: request["status"] == 200)
    assert told["path"] == "/connect/-" and told["node"].startswith("127.0.0.1:")
