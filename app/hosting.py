"""Latchkey in a host application: mounted beside it, or as a blueprint of it. docs/hosting.md shows both."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Context, copy_context
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Flask, Response, request
from flask.blueprints import BlueprintSetupState
from werkzeug.datastructures import Headers
from werkzeug.routing import BaseConverter
from werkzeug.wrappers import Response as AnyResponse

from app import create_app
from app.extensions import UserLoader, settings
from config import Config, ConfigError

CONTEXT = "latchkey.host_context"  # in the environment of a request that a host passes on
OF_THE_BODY = {"content-length", "content-encoding", "etag"}  # a host may compress it
SHARED = {"set-cookie", "vary"}  # of both applications, side by side


def asked_in(host: Flask, ask: UserLoader) -> UserLoader:
    """Return a user loader that asks in a request context of the host's, beside which we are mounted."""

    def load() -> Mapping[str, Any] | None:
        with host.request_context(_before_mounting(request.environ)):
            return ask()

    return load


def latchkey_blueprint(
    config: Config, *, url_prefix: str, user_loader: UserLoader | None = None
) -> LatchkeyBlueprint:
    """Return a blueprint below whose prefix a whole application of these settings answers.

    The user loader is asked in the host's context of the very request. Raises ConfigError.
    """
    loader = user_loader and _asked_there(user_loader)
    return LatchkeyBlueprint(create_app(config, mounted_at=url_prefix, user_loader=loader), url_prefix)


class LatchkeyBlueprint(Blueprint):
    """Passes on whatever is asked below its prefix. `application` answers; the command line takes it, too.

    It shares nothing with the host: each has its extensions, settings, database, session and error pages.
    """

    def __init__(self, application: Flask, url_prefix: str) -> None:
        super().__init__("latchkey", __name__, url_prefix=url_prefix)
        self.application = application
        self.record(self._open)

    def _open(self, state: BlueprintSetupState) -> None:
        """Add one rule for every path and method: a route of Flask's own would answer for some of them."""
        if state.url_prefix != self.url_prefix:
            raise ConfigError(f"url_prefix: register the blueprint as it was made, at {self.url_prefix}.")
        name = f"{state.name_prefix}.{state.name}.passed_on".lstrip(".")
        state.app.url_map.converters["latchkey_path"] = _Path
        path = f"{self.url_prefix}<latchkey_path:path>"
        state.app.url_map.add(state.app.url_rule_class(path, endpoint=name, subdomain=state.subdomain))
        state.app.view_functions[name] = self._passed_on

    def _passed_on(self, path: str) -> AnyResponse:
        script, whole = request.environ.get("SCRIPT_NAME", ""), f"/{request.environ['PATH_INFO'].lstrip('/')}"
        environ = {
            **request.environ,
            "SCRIPT_NAME": f"{script}{self.url_prefix}",
            "PATH_INFO": whole.removeprefix(str(self.url_prefix)),
            **_body(),
            CONTEXT: copy_context(),
        }
        return _Answer.from_app(self.application, environ)


class _Path(BaseConverter):
    """Nothing, or a slash and anything."""

    regex = r"(?:/[\s\S]*)?"
    part_isolating = False


class _Answer(Response):
    """An answer of ours, on its way through the host: what it says of itself, no hook there changes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._said = Headers(self.headers)

    def get_wsgi_headers(self, environ: Any) -> Headers:
        headers = super().get_wsgi_headers(environ)
        for name in {name for name, _ in headers if name.lower().startswith("access-control-")}:
            headers.remove(name)  # CORS_ORIGINS alone says who may read
        for name in {name.lower() for name, _ in self._said} - OF_THE_BODY - SHARED:
            headers.setlist(name, self._said.getlist(name))
        return headers


def _asked_there(ask: UserLoader) -> UserLoader:
    """Return a user loader that asks where the host passed this request on: `g`, session, all is there."""

    def load() -> Mapping[str, Any] | None:
        context: Context = request.environ[CONTEXT]
        return context.run(ask)

    return load


def _body() -> dict[str, Any]:
    """Return nothing where the body is unread; else, of the environment, what the host has kept of it."""
    if "stream" not in vars(request._get_current_object()):  # type: ignore[attr-defined]
        return {}
    kept = request.get_data() or urlencode(list(request.form.items(multi=True))).encode()
    return {"wsgi.input": BytesIO(kept), "CONTENT_LENGTH": str(len(kept))}


def _before_mounting(environ: Mapping[str, Any]) -> dict[str, Any]:
    """Return the environment as the host saw it, before the path at which we are mounted was taken away."""
    script = environ["SCRIPT_NAME"]
    outer = script.removesuffix(settings.mounted_at)
    path = script.removeprefix(outer) + environ["PATH_INFO"]
    return {**environ, "SCRIPT_NAME": outer, "PATH_INFO": path}
