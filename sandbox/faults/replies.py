"""Faults that answer instead of the provider: nothing is done, and the answer is bad."""

import gzip
import json
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

from flask import Response, redirect, request

from sandbox.engine.provider import Provider
from sandbox.faults.board import Fault

Reply = Callable[[Provider, Fault], Response]
JSON = "application/json"
MEBIBYTE = 1 << 20
HTML_502 = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
WRONG_TYPES = {
    "access_token": 12345,
    "token_type": ["Bearer"],
    "expires_in": "soon",
    "refresh_token": {"value": None},
    "scope": 7,
    "id": [],
    "sub": {},
    "email": 0,
    "login": False,
    "success": "perhaps",
}


def status(provider: Provider, fault: Fault) -> Response:
    """Any HTTP status in the provider's own words; ``retry_after`` adds the header."""
    code, retry_after = int(fault.number("status", 500)), fault.number("retry_after", 0)
    answer = Response(json.dumps(provider.trouble(code, retry_after)), code, mimetype=JSON)
    if retry_after:
        answer.headers["Retry-After"] = str(int(-(-retry_after // 1)))
    return answer


def html(provider: Provider, fault: Fault) -> Response:
    return Response(HTML_502, int(fault.number("status", 502)), mimetype="text/html")


def empty(provider: Provider, fault: Fault) -> Response:
    return Response("", int(fault.number("status", 200)), mimetype=JSON)


def bad_json(provider: Provider, fault: Fault) -> Response:
    return Response('{"access_token": "cut off he', mimetype=JSON)


def given_json(provider: Provider, fault: Fault) -> Response:
    body = json.dumps(fault.parameters.get("body"))
    return Response(body, int(fault.number("status", 200)), mimetype=JSON)


def wrong_types(provider: Provider, fault: Fault) -> Response:
    return Response(json.dumps(WRONG_TYPES), mimetype=JSON)


def gigabyte(provider: Provider, fault: Fault) -> Response:
    def body() -> Iterator[bytes]:
        yield b'{"access_token": "'
        for _ in range(1024):
            yield b"x" * MEBIBYTE
        yield b'"}'

    return Response(body(), mimetype=JSON)


def gzip_bomb(provider: Provider, fault: Fault) -> Response:
    """About a megabyte that unpacks to a gigabyte: gzip members may simply follow one another."""
    bomb = gzip.compress(b" " * MEBIBYTE, 9) * 1024
    return Response(bomb, mimetype=JSON, headers={"Content-Encoding": "gzip"})


def moved(provider: Provider, fault: Fault) -> Response:
    answer = redirect(str(fault.parameters["url"]), int(fault.number("status", 302)))
    return Response(answer.get_data(), answer.status_code, answer.headers)


def callback(provider: Provider, fault: Fault) -> Response:
    """At the authorize endpoint: back to the client at once, with any parameters that are given."""
    parameters = {"state": request.args.get("state", ""), **fault.parameters.get("parameters", {})}
    kept = {name: value for name, value in parameters.items() if value is not None}
    location = f"{request.args['redirect_uri']}?{urlencode(kept, doseq=True)}"
    return Response("", 302, {"Location": location})


REPLIES: dict[str, Reply] = {
    "status": status,
    "html": html,
    "empty": empty,
    "bad_json": bad_json,
    "json": given_json,
    "wrong_types": wrong_types,
    "gigabyte": gigabyte,
    "gzip_bomb": gzip_bomb,
    "redirect": moved,
    "callback": callback,
}
