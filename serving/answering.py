"""How a request becomes an answer: as gunicorn's own worker does it, in two parts that may be apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gunicorn import util  # type: ignore[import-untyped]
from gunicorn.http import wsgi  # type: ignore[import-untyped]
from gunicorn.workers import gthread  # type: ignore[import-untyped]

from .client import Connection


@dataclass(slots=True)
class Answer:
    """What the application has answered to a request, and was not sent."""

    request: Any
    conn: Connection
    response: Any
    environ: Any
    began: datetime
    body: Iterable[bytes] = ()


LATER = object()  # what comes of a request whose answer is kept


class Answering(gthread.ThreadWorker):  # type: ignore[misc]
    """Calls the application, and sends what it answers: at once, or when it was settled."""

    alive: bool

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._is_unsettled: Callable[[object], bool] = lambda _: False
        self._settle: Callable[[Sequence[Any]], None] = lambda _: None

    def settles(self, kind: type, settle: Callable[[Sequence[Any]], None]) -> None:
        """Settle answers of this kind together: `settle` takes several.

        One that it has left, since it raised, is to settle itself when it is iterated.
        """
        self._is_unsettled, self._settle = lambda body: isinstance(body, kind), settle

    def handle_request(self, req: Any, conn: Connection) -> Any:
        """Do what gunicorn does for a request. Return whether the connection stays, or LATER."""
        self.cfg.pre_request(self, req)
        response, environ = wsgi.create(req, conn.sock, conn.client, conn.server, self.cfg)
        answer = Answer(req, conn, response, environ, datetime.now())
        self._count(answer)
        try:
            answer.body = self.wsgi(answer.environ, answer.response.start_response)
        except BaseException:
            self._end(answer)
            raise
        if self._is_unsettled(answer.body) and self._kept(answer):
            return LATER
        return self._sent(answer)

    def _kept(self, answer: Answer) -> bool:
        """Keep an answer to settle it with others; tell whether it is kept. Here each settles itself."""
        return False

    def _keepalive_after(self, conn: Connection, came_of_it: Any) -> Any:
        return LATER if came_of_it is LATER else super()._keepalive_after(conn, came_of_it)

    def _count(self, answer: Answer) -> None:
        """End when enough was served, and keep no connection then, or too many."""
        answer.environ["wsgi.multithread"] = True
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            self.log.info("Autorestarting worker after current request.")
            self.alive = False
        if not self.alive or not self.cfg.keepalive or len(self.keepalived_conns) >= self.max_keepalived:
            answer.response.force_close()

    def _sent_at_last(self, answer: Answer) -> bool:
        """Do what gunicorn's `handle` does around an answer; tell whether the connection stays."""
        conn = answer.conn
        try:
            return bool(self._keepalive_after(conn, self._sent(answer)))
        except (OSError, StopIteration) as error:
            self.log.debug("A client is gone, or was left: %s", error)
        except Exception as error:  # whatever it is, the client is told
            self.handle_error(answer.request, conn.sock, conn.client, error)
        return False

    def _sent(self, answer: Answer) -> bool:
        """Send it whole; tell whether the connection stays."""
        try:
            self._write(answer)
        except OSError:
            raise
        except (Exception, SystemExit):
            if not answer.response.headers_sent:
                raise
            self.log.exception("Error handling request")
            util.close_graceful(answer.conn.sock)  # a second answer would be taken for the rest of this one
            raise StopIteration from None
        finally:
            self._end(answer)
        return not answer.response.should_close()

    def _write(self, answer: Answer) -> None:
        response, body = answer.response, answer.body
        try:
            if isinstance(body, answer.environ["wsgi.file_wrapper"]):
                response.write_file(body)
            else:
                for part in body:
                    response.write(part)
            response.close()
        finally:
            self.log.access(response, answer.request, answer.environ, datetime.now() - answer.began)
            if hasattr(body, "close"):
                body.close()
        answer.conn.flush()

    def _end(self, answer: Answer) -> None:
        try:
            self.cfg.post_request(self, answer.request, answer.environ, answer.response)
        except Exception:  # whatever an operator's hook raises
            self.log.exception("Exception in post_request hook")
