"""Secrets on pages: forms made of declarations, hidden until revealed, exact to the byte."""

from __future__ import annotations

import re
from typing import Any

import pytest

from app.connection_types import CONNECTION_TYPES, ConnectionType
from app.extensions import db
from app.models import MASK, Connection
from tests.http.test_pages import SSH, stored
from tests.support.service import Service, StartService
from tests.support.visitors import Visitor, text_of, visitor_of

KEY = "-----BEGIN KEY-----\nabc\tdef\n\n-----END KEY-----\n"


@pytest.fixture
def visitor(service: Service) -> Visitor:
    return visitor_of(service)


def data_of(visitor: Visitor, page: str) -> Any:
    answer = visitor.user.call("GET", f"/api/users/:username/get/connection/{page.rpartition('/')[2]}")
    return answer.json()["data"]


@pytest.mark.parametrize("shape", CONNECTION_TYPES, ids=lambda shape: shape.name)
def test_a_form_has_a_field_for_each_one_declared(visitor: Visitor, shape: ConnectionType) -> None:
    page = visitor.call("GET", f"/secrets/new/{shape.name}")
    for field in shape.fields:
        label = re.search(rf'<label for="field-{field.name}">([^<]*)', page.text)
        assert label and label[1].strip() == field.title
        control = re.search(rf'<(?:input|select|textarea) id="field-{field.name}"[^>]*>', page.text)
        assert control, field.name
        if field.secret and control[0].startswith("<input"):
            assert 'type="password"' in control[0]
    assert shape.title in text_of(visitor.call("GET", "/secrets/new"))


def test_every_kind_of_field_is_stored_as_it_is_meant(visitor: Visitor) -> None:
    ssh = stored(
        visitor, **{"field-port": "22", "field-commands": "uptime\r\ndf -h\r\n", "field-sshKey": KEY}
    )
    assert data_of(visitor, ssh) == {
        "host": "192.0.2.7", "username": "ada", "password": "s3cret words", "sshKey": KEY, "port": 22,
        "commands": ["uptime", "df -h"],
    }  # fmt: skip
    mail = {"name": "", "field-host": "mail.example.com", "field-port": "465", "field-tls": "yes"}
    page = visitor.fill_in("/secrets/new/smtp", **mail).headers["Location"]
    assert data_of(visitor, page) == {"host": "mail.example.com", "port": 465, "tls": True}
    http = {
        "name": "api",
        "field-url": "https://api.example.com",
        "field-headers": "X-One: a b\r\nX-Two:c:d\r\n",
    }
    page = visitor.fill_in("/secrets/new/http", **http).headers["Location"]
    assert data_of(visitor, page)["headers"] == {"X-One": "a b", "X-Two": "c:d"}
    own = {
        "name": "own",
        "other-name-0": "answer",
        "other-value-0": "s3cret",
        "other-name-2": "ключ",
        "other-value-2": " x ",
    }
    page = visitor.fill_in("/secrets/new/custom", **own).headers["Location"]
    assert data_of(visitor, page) == {"answer": "s3cret", "ключ": " x "}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"field-password": ""}, "Needs Password or Private key"),
        ({"field-host": ""}, "Is required."),
        ({"field-host": "two words"}, "Does not have the expected form."),
        ({"field-port": "0"}, "Must be a whole number from 1 to 65535."),
        ({"field-port": "²²"}, "Must be a whole number from 1 to 65535."),
        ({"name": "n" * 256}, "Length must be between 0 and 255."),
        ({"field-host": "a\0b"}, "Something is missing or does not fit"),
        ({"field-password": "-----"}, "A mask stands for a stored secret"),
    ],
)
def test_what_does_not_fit_is_told_and_the_rest_stays(
    visitor: Visitor, fields: dict[str, str], told: str
) -> None:
    answer = visitor.fill_in("/secrets/new/sshes", **{**SSH, **fields})
    assert answer.status_code == 400 and told in text_of(answer)
    assert 'value="ada"' in answer.text and "s3cret words" not in answer.text
    assert visitor.user.call("GET", "/api/users/:username/get/connections").json() == {"connections": []}


def test_headers_that_are_no_pairs_are_refused(visitor: Visitor) -> None:
    fields = {"name": "", "field-url": "https://api.example.com", "field-headers": "no colon"}
    answer = visitor.fill_in("/secrets/new/http", **fields)
    assert answer.status_code == 400 and "a name, a colon and a value" in text_of(answer)


def test_secrets_are_hidden_until_they_are_revealed_on_purpose(visitor: Visitor) -> None:
    page = stored(visitor, **{"field-sshKey": KEY})
    for path in (page, "/secrets", f"{page}/edit", f"{page}/delete"):
        shown = visitor.call("GET", path)
        assert "s3cret words" not in shown.text and "BEGIN KEY" not in shown.text
        assert shown.headers["Cache-Control"] == "no-store"
    before = visitor.user.call("GET", "/api/audit?action=connection.read").json()["events"]
    revealed = visitor.fill_in(page, f"{page}/reveal")
    assert "s3cret words" in revealed.text and "BEGIN KEY" in revealed.text
    assert revealed.headers["Cache-Control"] == "no-store"
    after = visitor.user.call("GET", "/api/audit?action=connection.read").json()["events"]
    assert len(after) == len(before) + 1 and after[0]["actor"] == f"user:{visitor.user.id}"


def test_a_change_keeps_the_secrets_that_were_left_alone(visitor: Visitor) -> None:
    page = stored(visitor, **{"field-sshKey": KEY, "other-name-0": "note", "other-value-0": "more"})
    fields = {**SSH, "name": "web 2", "field-host": "192.0.2.8", "field-password": "", "remove-sshKey": "on"}
    assert visitor.fill_in(f"{page}/edit", **fields).status_code == 303
    assert data_of(visitor, page) == {
        "host": "192.0.2.8", "username": "ada", "password": "s3cret words", "note": "more",
    }  # fmt: skip
    assert visitor.fill_in(f"{page}/edit", **{**fields, "field-password": "another"}).status_code == 303
    assert data_of(visitor, page)["password"] == "another"
    assert "web 2" in text_of(visitor.call("GET", page))


def test_a_new_name_alone_is_no_change_of_the_data(visitor: Visitor) -> None:
    page = stored(visitor)
    fields = {**SSH, "name": "renamed", "field-password": ""}
    assert visitor.fill_in(f"{page}/edit", **fields).status_code == 303
    actions = [event["action"] for event in visitor.user.call("GET", "/api/audit").json()["events"]]
    assert "connection.rename" in actions and "connection.replace" not in actions


def test_a_required_secret_that_is_removed_is_refused(visitor: Visitor) -> None:
    page = stored(visitor)
    answer = visitor.fill_in(f"{page}/edit", **{**SSH, "field-password": "", "remove-password": "on"})
    assert answer.status_code == 400 and data_of(visitor, page)["password"] == "s3cret words"


def test_the_mask_is_never_stored(visitor: Visitor) -> None:
    page = stored(visitor)
    visitor.fill_in(f"{page}/edit", **{**SSH, "field-host": "192.0.2.9", "field-password": ""})
    assert MASK not in data_of(visitor, page).values()


def test_one_that_does_not_open_can_be_replaced_and_deleted(visitor: Visitor, service: Service) -> None:
    page = stored(visitor)
    with service.app.app_context():
        row = db.session.get_one(Connection, int(page.rpartition("/")[2]))
        row.sealed = row.sealed[:-1] + bytes([row.sealed[-1] ^ 1])
        db.session.commit()
    for path in (page, "/secrets", f"{page}/edit"):
        assert "cannot be opened any more" in text_of(visitor.call("GET", path))
    assert visitor.fill_in(f"{page}/edit", **{**SSH, "field-password": ""}).status_code == 400
    assert visitor.fill_in(f"{page}/edit", **SSH).status_code == 303
    assert data_of(visitor, page)["password"] == "s3cret words"


def test_deleting_asks_first_and_is_for_good(visitor: Visitor) -> None:
    page = stored(visitor)
    assert "Delete web?" in text_of(visitor.call("GET", f"{page}/delete"))
    assert visitor.call("GET", page).status_code == 200
    assert visitor.fill_in(f"{page}/delete").headers["Location"] == "/secrets"
    assert visitor.call("GET", page).status_code == 404
    assert "Nothing is stored yet" in text_of(visitor.call("GET", "/secrets"))


def test_what_users_name_is_text_and_no_markup(visitor: Visitor) -> None:
    name = "<script>alert(1)</script>\"'&"
    page = stored(visitor, name=name, **{"field-username": "<b>ada</b>"})
    for path in ("/secrets", page, f"{page}/edit", f"{page}/delete", "/activity"):
        shown = visitor.call("GET", path)
        assert "<script" not in shown.text and "<b>" not in shown.text
    assert name in text_of(visitor.call("GET", page))


def test_a_form_that_is_too_large_is_refused_with_a_page(start_service: StartService) -> None:
    visitor = visitor_of(start_service())
    page = visitor.call("GET", "/secrets/new/sshes")
    answer = visitor.send("/secrets/new/sshes", page, **{**SSH, "field-sshKey": "x" * 70_000})
    assert answer.status_code == 413 and answer.headers["Content-Type"].startswith("text/html")


def test_a_token_that_an_old_client_stored_is_shown_and_changed(visitor: Visitor) -> None:
    body = {"name": "old", "token_type": "anything", "token": "t0ken"}
    assert (
        visitor.user.call("POST", "/api/users/:username/connections/addtoken", json=body).status_code == 201
    )
    listed = visitor.user.call("GET", "/api/users/:username/get/connections").json()["connections"]
    page = f"/secrets/{listed[0]['id']}"
    assert "Token: anything" in text_of(visitor.call("GET", page))
    assert visitor.fill_in(f"{page}/edit", name="old", **{"field-token": "newer"}).status_code == 303
    assert data_of(visitor, page) == {"token": "newer"}
