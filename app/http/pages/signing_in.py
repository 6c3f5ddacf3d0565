"""Signing in and out with a browser, and registering. Where a host application does that, it is not here."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, current_app, redirect, request, session, url_for
from werkzeug.wrappers import Response as AnyResponse

from app.errors import LatchkeyError, NotFound
from app.schemas.accounts import RegisterSchema
from app.schemas.pages import SignInSchema
from app.services import accounts, bearer
from app.services.standing import Caller

from .. import limits
from ..limits import limited
from ..sessions import LIFE
from .forms import submits
from .showing import show
from .visiting import check_proof, page_after_sign_in, signs_in_here, visiting, visitor

blueprint = Blueprint("signing_in", __name__)


@blueprint.before_request
def _be_there() -> None:
    if not signs_in_here() and request.endpoint != "pages.signing_in.ask":
        raise NotFound


@blueprint.get("/sign-in")
def ask(refusal: LatchkeyError | None = None) -> Any:
    if visitor() is not None:
        return redirect(page_after_sign_in())
    return show("sign_in.html", None, refusal=refusal)


@blueprint.post("/sign-in")
@limited("login")
@submits(SignInSchema, ask)
def sign_in(body: dict[str, str]) -> AnyResponse:
    check_proof(None)
    signed_in = accounts.login(**body, address=limits.address(), life=LIFE)
    return _begin(signed_in.tokens.login_id)


@blueprint.get("/register")
def ask_to_register(refusal: LatchkeyError | None = None) -> Any:
    if visitor() is not None:
        return redirect(page_after_sign_in())
    return show("register.html", None, refusal=refusal)


@blueprint.post("/register")
@limited("register")
@submits(RegisterSchema, ask_to_register)
def register(body: dict[str, str]) -> AnyResponse:
    check_proof(None)
    signed_in = accounts.register(**body, life=LIFE)
    return _begin(signed_in.tokens.login_id)


@blueprint.post("/sign-out")
@visiting()
def sign_out(caller: Caller) -> AnyResponse:
    bearer.end_login(caller)
    session.pop("login", None)
    _renew_session()
    return redirect(url_for("pages.front.front"), 303)


def _begin(login_id: str) -> AnyResponse:
    """Let this browser be signed in, under a session id that nobody may have planted or seen before."""
    _renew_session()
    session["login"] = login_id
    return redirect(page_after_sign_in(), 303)


def _renew_session() -> None:
    """Give the session another id: pages that a browser keeps for going back are kept for the one before."""
    current_app.session_interface.regenerate(session)  # type: ignore[attr-defined]
