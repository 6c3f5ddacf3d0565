"""Where providers send browsers back. What is checked, and in which order, is documented in docs/api.md."""

from __future__ import annotations

from contextlib import nullcontext

from flask import Blueprint, Response, request

from app.errors import InvalidOAuthState, InvalidSession, LatchkeyError, MissingCodeOrState, OAuthError
from app.extensions import lanes
from app.oauth.flow import CallbackParameters
from app.oauth.outbound import Deadline
from app.oauth.provider import Binding, Provider
from app.services import flows, grants, receiving, sparing
from app.services.pending import Pending

from . import browser, connect, returning
from .limits import limited
from .marks import View


def view_for(provider: Provider | None) -> View:
    """Return the callback of one provider, or of whichever provider the state belongs to."""
    by_state = provider is not None and provider.binding is Binding.COOKIE
    judge = _judge_by_state if by_state else _judge_by_session

    @limited("callback")
    def callback() -> Response:
        parameters = CallbackParameters.of(request.args.items(multi=True))
        found = flows.recognize(provider, parameters)
        with nullcontext() if found is None else lanes.enter(found.provider):  # before the flow is used up
            pending = None if found is None else flows.claim(found, browser.names(provider))
            word = judge(parameters, pending)
            if pending is None:
                raise word or InvalidSession()
            return returning.ending(pending.wish, lambda: _finish(pending, parameters, word))

    return callback


def _judge_by_session(parameters: CallbackParameters, pending: Pending | None) -> LatchkeyError | None:
    if pending is None:
        return InvalidSession()
    if parameters.error is not None:
        return OAuthError(error=parameters.error)
    return MissingCodeOrState() if parameters.code is None else None


def _judge_by_state(parameters: CallbackParameters, pending: Pending | None) -> LatchkeyError | None:
    if parameters.error is not None:
        return OAuthError(error=parameters.error)
    if parameters.code is None or parameters.state is None:
        return MissingCodeOrState()
    return InvalidOAuthState() if pending is None else None


def _finish(pending: Pending, parameters: CallbackParameters, word: LatchkeyError | None) -> Response:
    if word is not None or parameters.code is None:
        sparing.refuse(pending.wish, parameters.error or "no code")
        raise word or MissingCodeOrState()
    deadline = Deadline()
    must_ask = not pending.bound and browser.is_asking()
    asked = browser.of_session() if must_ask else None  # before the code is spent: the store may not answer
    with receiving.receiving(pending, code=parameters.code, deadline=deadline) as received:
        if asked is not None:
            return connect.ask_to_confirm(pending, received, asked)
        return returning.connected(pending.wish, grants.attach(pending.wish, received, deadline))


blueprint = Blueprint("callback", __name__)
blueprint.add_url_rule("/callback", "callback", view_for(None))
