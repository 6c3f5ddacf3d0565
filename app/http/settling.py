"""Answers that owe something: none begins before that is stored, be it the event of a secret or a new row.

The server learns nothing of such an answer before, not even its status (PEP 3333 lets an application begin
when it is iterated). A server that has several of them may settle them together, with one commit: `serving`
does. Any other one iterates each, which settles it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

from flask import Flask

import logs
from app.errors import SessionsUnavailable
from app.models import budget, trouble
from app.models.budget import Budget
from app.services import paying
from app.services.owing import Owed, Owing

from . import metrics, sessions

SAID = "latchkey.said"  # in a request's environment: what log and audit say of it

Start = Callable[..., Any]
Serve = Callable[[Any, Start], Iterable[bytes]]


def answer(app: Flask, serve: Serve, environ: Any, start: Start, left: Budget) -> Iterable[bytes]:
    """Serve a request; return an answer that has begun, or one that is Unsettled."""
    begun: list[Any] = []
    with Owing() as owed:
        body = serve(environ, _held_in(begun, environ))
    if owed:
        return Unsettled(app, environ, start, begun, body, owed, left)
    start(*begun)
    return body


class Unsettled:
    """An answer, and what it owes before it begins. `left` is for its database work."""

    def __init__(
        self,
        app: Flask,
        environ: Any,
        start: Start,
        begun: list[Any],
        body: Iterable[bytes],
        owed: Owed,
        left: Budget,
    ) -> None:
        self.app, self.owed, self.left = app, owed, left
        self._environ, self._start = environ, start
        self._begun, self._body = begun, body
        self._is_settled = False

    def begin(self) -> None:
        self._start(*self._begun)
        self._is_settled = True

    def fail(self, error: Exception) -> None:
        """Become the answer to a request whose view has raised this."""
        self.close()
        begun: list[Any] = []
        with logs.bound(**self._environ[SAID]), self.app.request_context(self._environ):
            failed = self.app.handle_user_exception(error)
            response = self.app.finalize_request(failed, from_error_handler=True)
            self._body = response(self._environ, _held_in(begun, self._environ))
        self._begun = begun

    def __iter__(self) -> Iterator[bytes]:
        if not self._is_settled:
            settle([self])
        return iter(self._body)

    def close(self) -> None:
        if close := getattr(self._body, "close", None):
            close()


def settle(answers: Sequence[Unsettled]) -> None:
    """Store what some answers of one application owe, and let each begin: as it is, or as a failure."""
    for has_session in (
        False,
        True,
    ):  # what is told of sessions that cannot be stored is told of nothing else
        some = [answer for answer in answers if bool(answer.owed.sessions) is has_session]
        if some:
            _settle(some)


def _settle(answers: Sequence[Unsettled]) -> None:
    try:
        with answers[0].app.app_context(), budget.of(max(answer.left.left for answer in answers)):
            _pay([answer.owed for answer in answers])
    except Exception as error:  # whatever it is, no secret leaves
        _fail(answers, error)
    else:
        for answer in answers:
            answer.begin()


def _pay(owed: Sequence[Owed]) -> None:
    with sessions.answering() if any(each.sessions for each in owed) else nullcontext():
        paying.pay(owed)


def _held_in(begun: list[Any], environ: Any) -> Any:
    """Return what Flask may begin its answer with: what it gives is kept in this list."""

    def hold(*given: Any) -> None:
        metrics.note_route(environ)
        begun.extend(given)

    return hold


def _fail(answers: Sequence[Unsettled], error: Exception) -> None:
    """Let all of them fail, unless the fault may be with one: then each is settled by itself."""
    may_be_of_one = trouble.of(error) is None and not isinstance(error, SessionsUnavailable)
    if len(answers) > 1 and may_be_of_one:
        for answer in answers:
            settle([answer])
        return
    for answer in answers:
        answer.fail(error)
        answer.begin()
