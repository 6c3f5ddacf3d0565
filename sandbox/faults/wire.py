"""Faults of the connection: the provider does its work, and the answer does not arrive as it should."""

import socket
import time
from collections.abc import Callable, Iterator

from flask import Response, request

from sandbox.faults.board import Fault

Spoiler = Callable[[Response, Fault], Response]
NO_ANSWER = 444


def drip(answer: Response, fault: Fault) -> Response:
    """One byte of the body every ``milliseconds``."""
    body, pause = answer.get_data(), fault.number("milliseconds", 100) / 1000

    def slowly() -> Iterator[bytes]:
        for i in range(len(body)):
            yield body[i : i + 1]
            time.sleep(pause)

    headers = [(name, value) for name, value in answer.headers if name != "Content-Length"]
    return Response(slowly(), answer.status_code, [*headers, ("Content-Length", str(len(body)))])


def cut(answer: Response, fault: Fault) -> Response:
    """Half of the body under the full length, then the connection closes."""
    body = answer.get_data()
    shortened = Response(iter([body[: len(body) // 2]]), answer.status_code, answer.headers)
    shortened.headers["Content-Length"] = str(len(body))
    return shortened


def drop_after(answer: Response, fault: Fault) -> Response:
    """The work is done, and the client never hears of it."""
    return hang_up()


def hang_up() -> Response:
    connection = request.environ.get("werkzeug.socket")
    if connection is not None:
        connection.shutdown(socket.SHUT_RDWR)
    return Response("", NO_ANSWER)


SPOILERS: dict[str, Spoiler] = {"drip": drip, "cut": cut, "drop_after": drop_after}
