"""Flask-Session made safe: read at first use, keyed by a hash, never pickled. In the database or in Redis."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from flask import Flask, Request, Response
from flask.sessions import SessionMixin
from flask_session.base import MsgSpecSerializer, ServerSideSessionInterface
from flask_session.redis.redis import RedisSessionInterface
from redis import Redis, RedisError
from sqlalchemy.exc import SQLAlchemyError

from app.errors import SessionsUnavailable
from app.models import trouble
from app.services import browser_sessions
from config import Config

log = logging.getLogger(__name__)

LIFE = timedelta(hours=12)  # of a sign-in at the pages, too; a flow has its own
PREFIX = "session:"


def bind(app: Flask, config: Config) -> None:
    """Give the application its session interface. Opens no connection."""
    app.config.update(
        SESSION_COOKIE_NAME="__Host-latchkey" if config.over_tls else "latchkey",
        SESSION_COOKIE_SECURE=config.over_tls,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=LIFE,
    )
    client: Redis | None = app.extensions["latchkey.redis"]
    if client is None:
        app.session_interface = DatabaseSessions(app)
    else:
        app.session_interface = RedisSessions(app, client=client, key_prefix=PREFIX)


class LazySession(SessionMixin):
    """A session that its store is asked for at first use. A request that never uses it never waits for it."""

    def __init__(self, load: Callable[[], tuple[str, dict[str, Any]]]) -> None:
        self._load = load
        self._loaded: tuple[str, dict[str, Any]] | None = None
        self.modified = False
        self.accessed = False

    @property
    def sid(self) -> str:
        return self._opened()[0]

    @sid.setter
    def sid(self, sid: str) -> None:
        self._loaded = sid, self._opened()[1]

    def __getitem__(self, key: str) -> Any:
        return self._opened()[1][key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._opened()[1][key] = value
        self.modified = True

    def __delitem__(self, key: str) -> None:
        del self._opened()[1][key]
        self.modified = True

    def __iter__(self) -> Iterator[str]:
        return iter(self._opened()[1])

    def __len__(self) -> int:
        return len(self._opened()[1])

    def _opened(self) -> tuple[str, dict[str, Any]]:
        if self._loaded is None:
            self._loaded = self._load()
            self.accessed = True
        return self._loaded


class _SafeInterface(ServerSideSessionInterface):
    """What both stores have in common. A store that does not answer is SessionsUnavailable."""

    serializer: Any

    def open_session(self, app: Flask, request: Request) -> Any:
        return LazySession(lambda: self._load(request.cookies.get(app.config["SESSION_COOKIE_NAME"])))

    def save_session(self, app: Flask, session: Any, response: Response) -> None:
        if not session.modified:
            return
        session.modified = False  # a failure here is answered by a response that would be saved again
        with answering():
            super().save_session(app, session, response)

    def regenerate(self, session: Any) -> None:
        with answering():
            super().regenerate(session)

    def should_set_storage(self, app: Flask, session: Any) -> bool:
        return True  # only changed sessions come this far

    def should_set_cookie(self, app: Flask, session: Any) -> bool:
        return True

    def get_expiration_time(self, app: Flask, session: Any) -> datetime:
        return datetime.now(UTC) + app.permanent_session_lifetime

    def _load(self, sid: str | None) -> tuple[str, dict[str, Any]]:
        with answering():
            data = self._retrieve_session_data(self._get_store_id(sid)) if sid else None
        if sid is None or data is None:
            return self._generate_sid(self.sid_length), {}
        return sid, data

    def _get_store_id(self, sid: str) -> str:
        return self.key_prefix + hashlib.sha256(sid.encode("utf-8", "surrogatepass")).hexdigest()


class DatabaseSessions(_SafeInterface):
    ttl = False

    def __init__(self, app: Flask) -> None:
        super().__init__(app, key_prefix="")
        self.serializer = _NeverPickle(app, "msgpack")

    def _retrieve_session_data(self, store_id: str) -> dict[str, Any] | None:
        data = browser_sessions.load(store_id)
        return None if data is None else self.serializer.decode(data)

    def _upsert_session(self, session_lifetime: timedelta, session: Any, store_id: str) -> None:
        browser_sessions.save(store_id, self.serializer.encode(session), session_lifetime)

    def _delete_session(self, store_id: str) -> None:
        browser_sessions.drop(store_id)

    def _delete_expired_sessions(self) -> None:
        browser_sessions.drop_ended()


class RedisSessions(_SafeInterface, RedisSessionInterface):
    def __init__(self, app: Flask, client: Redis, key_prefix: str) -> None:
        RedisSessionInterface.__init__(self, app, client=client, key_prefix=key_prefix)
        self.serializer = _NeverPickle(app, "msgpack")


class _NeverPickle(MsgSpecSerializer):
    """Flask-Session's decoder falls back to pickle: whoever can write to the store could run code here."""

    def decode(self, serialized_data: bytes) -> Any:
        try:
            data = self.decoder.decode(serialized_data)
        except msgspec.DecodeError:
            return None
        return data if isinstance(data, dict) else None


@contextmanager
def answering() -> Iterator[None]:
    """Say SessionsUnavailable where the store does not answer."""
    try:
        yield
    except (SQLAlchemyError, RedisError) as error:
        log.error("the session store does not answer: %s", trouble.named(error))
        raise SessionsUnavailable from None
