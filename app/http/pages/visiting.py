"""Who is looking at a page: whoever signed in with this browser, or whom a host application has signed in."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response, redirect, request, session, url_for

import logs
from app.errors import FormExpired
from app.extensions import settings, user_loader
from app.services import bearer
from app.services.standing import Caller

from .. import browser, limits
from ..marks import View

_PAGE = re.compile(r"/(?:connections|secrets|activity)(?:/[a-z0-9-]+)*(?:\?[a-z0-9_=&.-]*)?", re.ASCII)


def visitor() -> Caller | None:
    """Return who is signed in, or None. A cookie tells it, so that nothing but a page may go by it.

    Raises TokenInvalid where a host application has signed somebody in who was shut out here.
    """
    if user_loader:
        said = user_loader()
        return None if said is None else bearer.hosted(said)
    login_id = session.get("login") if browser.has_session() else None
    return None if login_id is None else bearer.of_login(login_id)


def signs_in_here() -> bool:
    """Tell whether people sign in with a password of this service's own."""
    return settings.accounts_enabled


def visiting(limit: str = "default") -> Callable[[View], View]:
    """Call the view with `caller`; send whoever is not signed in to where that is done, and back here then.

    What would change something must come from a form of this browser's own. `limit` is the word under which
    the request is counted.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            caller = visitor()
            if caller is None:
                limits.count("default", limits.address())
                return _to_sign_in()
            logs.bind(actor=f"user:{caller.shown_id}")
            limits.count(limit, f"user:{caller.user_id}")
            if request.method == "POST":
                check_proof(caller)
            return view(*args, caller=caller, **kwargs)

        return limits.counted_by_view(wrapped)

    return decorate


def proof(caller: Caller | None) -> str:
    """Return what the forms of this browser carry, and a form of another site cannot know.

    It is good for one login: what was filled in under another user's eyes changes nothing.
    """
    return browser.proof(
        browser.of_session(), f"page {caller.login_id or caller.user_id}" if caller else "page"
    )


def check_proof(caller: Caller | None) -> None:
    """Raise FormExpired unless the form that was sent is one that this browser was shown."""
    if not browser.has_session() or request.form.get("proof") != proof(caller):
        raise FormExpired


def page_after_sign_in() -> str:
    """Return where the browser goes on: the page that it asked for, or the first one."""
    wanted = request.args.get("next", "")
    return request.root_path + wanted if _PAGE.fullmatch(wanted) else url_for("pages.connections.every")


def _to_sign_in() -> Response:
    """A form that comes too late leads back to the list that it belongs to; so does a link to a provider.

    Browsers judge the redirects of a form: they would not let the sign-in lead on to another origin.
    """
    leads_away = request.method == "POST" or request.path.endswith("/connect")
    wanted = f"/{request.path.split('/')[1]}" if leads_away else request.full_path
    return redirect(url_for("pages.signing_in.ask", next=wanted.rstrip("?")), 303)  # type: ignore[return-value]
