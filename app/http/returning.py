"""What the end of a flow answers: the documented JSON, or a redirect to where its start said to return."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from flask import Response, jsonify

from app.errors import LatchkeyError
from app.schemas.dumping import dump_of
from app.schemas.services import CallbackSchema
from app.services.grants import Connected
from app.services.pending import Wish

_dump = dump_of(CallbackSchema())


def ending(wish: Wish, finish: Callable[[], Response]) -> Response:
    """Return what `finish` does; take a failure to the wish's `return_to`, where it has one."""
    try:
        return finish()
    except LatchkeyError as word:
        if wish.return_to is None:
            raise
        return _back(wish.return_to, error=word.code)


def connected(wish: Wish, found: Sequence[Connected]) -> Response:
    if wish.return_to is not None:
        return _back(wish.return_to, connected=wish.service.name)
    document: dict[str, Any] = {"success": True, "message": f"{wish.provider.title} connected successfully"}
    if len(wish.provider.services) == 1:
        document["connection"] = found[0]
    else:
        document["connections"] = {item.service_name: item for item in found}
    return jsonify(_dump(document))


def _back(url: str, **outcome: str) -> Response:
    parts = urlsplit(url)
    query = "&".join(filter(None, [parts.query, urlencode(outcome)]))
    return Response(status=303, headers={"Location": urlunsplit(parts._replace(query=query))})
