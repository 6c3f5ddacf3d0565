"""What a mount has beyond a blueprint: the host may itself be below a path."""

from __future__ import annotations

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from app import create_app
from app.extensions import db, registrations
from app.hosting import asked_in
from config import Config
from tests.support.databases import SqliteDatabases
from tests.support.hosts import visitor
from tests.support.settings import base_settings

SETTINGS = {
    "PUBLIC_URL": "http://localhost",
    "PROVISION_USERS": "true",
    "GITHUB_CLIENT_ID": "client",
    "GITHUB_CLIENT_SECRET": "s3cret",
}


def test_a_host_below_a_path(sqlite: SqliteDatabases) -> None:
    host = Flask("host")
    config = Config.from_env({**base_settings(), **SETTINGS, "DATABASE_URL": sqlite.new()})
    loader = asked_in(host, lambda: {"user_id": 7, "username": "reza"})
    latchkey = create_app(config, mounted_at="/site/latchkey", user_loader=loader)
    latchkey.add_url_rule("/visitor", view_func=visitor)
    mounted = DispatcherMiddleware(host, {"/latchkey": latchkey})
    browser = Client(DispatcherMiddleware(Flask("root"), {"/site": mounted}))
    assert 'href="/site/latchkey/static/latchkey.css"' in browser.get("/site/latchkey/connections").text
    assert (browser.get("/site/latchkey/visitor").json or {})["username"] == "reza"
    with latchkey.app_context():
        github = registrations["github"]
        assert github and github.redirect_uri.startswith("http://localhost/site/latchkey/api/")
        db.engine.dispose()
