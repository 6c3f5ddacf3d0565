"""The browser's session: what its cookie is, and what stands behind it."""

from __future__ import annotations

import re
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import select

from app.extensions import db
from app.models import BrowserSession, now
from tests.support.service import Service, StartService, User
from tests.support.sessions import cookie_of, kept, start, store_id


def test_the_cookie_on_loopback(user: User) -> None:
    name, sid, attributes = cookie_of(start(user))
    assert name == "latchkey" and attributes == {"HttpOnly", "Path=/", "SameSite=Lax"}
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", sid)  # an id of 256 bits, and nothing besides


def test_the_cookies_over_tls(start_service: StartService) -> None:
    user = start_service(PUBLIC_URL="https://latchkey.test", TRUSTED_HOSTS="127.0.0.1").user()
    host = {"Host": "latchkey.test"}
    name, _, attributes = cookie_of(start(user, headers=host))
    assert name == "__Host-latchkey" and attributes == {"HttpOnly", "Path=/", "SameSite=Lax", "Secure"}
    name, _, attributes = cookie_of(user.call("GET", "/api/connections/spotify", headers=host))
    assert name == "__Host-latchkey-flow"
    assert attributes == {"HttpOnly", "Path=/", "SameSite=Lax", "Secure", "Max-Age=600"}


def test_the_store_knows_only_the_hash_of_the_id(service: Service, user: User) -> None:
    _, sid, _ = cookie_of(start(user))
    data = kept(service, sid)
    assert data is not None
    assert set(msgspec.msgpack.decode(data)) == {"browser"}
    with service.app.app_context():
        rows = db.session.execute(select(BrowserSession)).scalars().all()
        assert all(re.fullmatch(r"[0-9a-f]{64}", row.id) and sid.encode() not in row.data for row in rows)
        assert all(now() < row.expires_at < now() + timedelta(hours=24) for row in rows)


@pytest.mark.parametrize("sid", ["made-up-by-a-stranger", "x" * 4000, "", "../../etc/passwd", "%00"])
def test_an_id_that_we_did_not_give_becomes_no_session(service: Service, user: User, sid: str) -> None:
    answer = start(user, cookies={"latchkey": sid})
    assert answer.status_code == 302 and cookie_of(answer)[1] != sid
    assert kept(service, sid) is None


def test_a_session_that_has_ended_is_none(service: Service, user: User) -> None:
    _, sid, _ = cookie_of(start(user))
    with service.app.app_context():
        row = db.session.get_one(BrowserSession, store_id(sid))
        row.expires_at = now() - timedelta(seconds=1)
        db.session.commit()
    assert cookie_of(start(user, cookies={"latchkey": sid}))[1] != sid
