"""Serving on loopback only, quietly, until SIGTERM."""

import signal
import sys
from ipaddress import ip_address
from types import FrameType

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from sandbox.app import create_app
from sandbox.world import World


class NotLoopback(ValueError):
    """The sandbox hands out tokens to anyone who asks, so it listens on loopback only."""


class QuietHandler(WSGIRequestHandler):
    """No request lines on the console: query strings carry codes and secrets."""

    def log(self, type: str, message: str, *args: object) -> None:
        if type == "error":
            super().log(type, message, *args)


def loopback(host: str) -> str:
    address = "127.0.0.1" if host == "localhost" else host
    try:
        is_loopback = ip_address(address).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise NotLoopback(f"The sandbox listens on loopback only; {host} is not. Use 127.0.0.1.")
    return address


def listen(world: World, host: str, port: int) -> BaseWSGIServer:
    """Bound and listening, not yet serving. Port 0 takes a free one."""
    return make_server(loopback(host), port, create_app(world), threaded=True, request_handler=QuietHandler)


def serve(world: World, host: str, port: int) -> None:
    server = listen(world, host, port)
    signal.signal(signal.SIGTERM, leave)
    shown = f"[{server.host}]" if ":" in server.host else server.host
    print(f"sandbox listening on http://{shown}:{server.port}", flush=True)
    try:
        server.serve_forever()
    finally:
        world.stopping.set()


def leave(number: int, frame: FrameType | None) -> None:
    sys.exit(0)
