"""Sessions as a browser and a store see them."""

from __future__ import annotations

import hashlib

import requests
from sqlalchemy import select

from app.extensions import db
from app.models import BrowserSession
from tests.support.service import Service, User

START = "/api/connections/github"


def start(user: User, **kwargs: object) -> requests.Response:
    return user.call("GET", START, **kwargs)


def cookie_of(answer: requests.Response) -> tuple[str, str, set[str]]:
    """Return name, value and attributes of the one cookie that this answer sets."""
    first, *rest = [part.strip() for part in answer.headers["Set-Cookie"].split(";")]
    name, _, value = first.partition("=")
    return name, value, {part for part in rest if not part.lower().startswith("expires=")}


def store_id(sid: str) -> str:
    return hashlib.sha256(sid.encode()).hexdigest()


def kept(service: Service, sid: str) -> bytes | None:
    with service.app.app_context():
        return db.session.scalar(select(BrowserSession.data).where(BrowserSession.id == store_id(sid)))
