"""How a page is made: its frame, who looks at it, and how moments and days are written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, make_response, render_template

from app.services.standing import Caller

from ..headers import allow_form_to
from . import visiting


def register(app: Flask) -> None:
    app.jinja_env.filters.update(day=day, hour=hour, moment=moment)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


def show(template: str, caller: Caller | None, *, form_to: Sequence[str] = (), **facts: Any) -> Response:
    """Render a page. Its forms lead back here, and to the other origins that `form_to` names."""
    page = render_template(
        template,
        caller=caller,
        proof=lambda: visiting.proof(caller),  # a page without a form begins no session
        signs_in_here=visiting.signs_in_here(),
        **facts,
    )
    response = make_response(page)
    return allow_form_to(response, *form_to)


def day(value: datetime) -> str:
    """Write a day as people do: 3 May 2027."""
    value = value.astimezone(UTC)
    return f"{value.day} {value:%B %Y}"


def hour(value: datetime) -> str:
    """Write the time of a day, to the minute, in UTC."""
    return f"{value.astimezone(UTC):%H:%M}"


def moment(value: datetime) -> str:
    """Write a moment to the minute, in UTC."""
    value = value.astimezone(UTC)
    return f"{value.day} {value:%b %Y, %H:%M} UTC"
