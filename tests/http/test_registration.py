"""Who may register: bounds, names that are refused, names that are taken."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.accounts import AUTH, fresh, register
from tests.support.service import PASSWORD, Service

LONG = "x" * 52  # the name's own part is twelve characters more


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("password", "x" * 7, 400),
        ("password", "x" * 8, 201),
        ("password", "é" * 256, 201),
        ("password", "x" * 257, 400),
        ("password", " leading, trailing and \t inner ", 201),
        ("password", 12345678, 400),
        ("password", None, 400),
        ("username", "", 400),
        ("username", None, 400),
        ("username", 5, 400),
        ("username", True, 400),
        ("email", "nobody", 400),
        ("email", "a@b@example.com", 400),
        ("email", "a b@example.com", 400),
        ("email", "", 400),
        ("email", "a" * 250 + "@example.com", 400),
        ("email", "a@example.com\r\nBcc: b@example.com", 400),
        ("email", None, 400),
    ],
)
def test_bounds(service: Service, field: str, value: Any, status: int) -> None:
    answer = register(service, **{"username": fresh(), field: value})
    assert answer.status_code == status, answer.text
    if status == 400:
        assert answer.json()["code"] == "invalid_body" and list(answer.json()["details"]) == [field]


@pytest.mark.parametrize(
    "tail", [LONG[1:], "é", "名前", "\U0001f511", "a.b-c_d", "@example.com", "%2e", "';--", "𝒳", "कि"]
)
def test_usernames_that_are_taken(service: Service, tail: str) -> None:
    answer = register(service, fresh() + tail)
    assert answer.status_code == 201, answer.text
    assert answer.json()["user"]["username"].endswith(tail)


REFUSED = {
    "too long": LONG + "x",
    "too long in NFC": "\u0958" * 40,  # each becomes two characters
    "NUL": "\0",
    "tab": "\t",
    "newline": "\n",
    "carriage return": "\r",
    "escape": "\x1b[31m",
    "delete": "\x7f",
    "C1 control": "\x85",
    "space": " ",
    "no-break space": "\u00a0",
    "ideographic space": "\u3000",
    "zero-width space": "\u200b",
    "zero-width joiner": "\u200d",
    "zero-width non-joiner": "\u200c",
    "word joiner": "\u2060",
    "byte order mark": "\ufeff",
    "soft hyphen": "\u00ad",
    "variation selector": "\ufe0f",
    "variation selector 17": "\U000e0100",
    "Mongolian variation selector": "\u180b",
    "grapheme joiner": "\u034f",
    "Hangul filler": "\u3164",
    "blank Braille": "\u2800",
    "tag": "\U000e0041",
    "right-to-left override": "\u202e",
    "right-to-left mark": "\u200f",
    "isolate": "\u2066",
    "line separator": "\u2028",
    "private use": "\ue000",
    "unassigned": "\u0378",
    "lone surrogate": "\ud800",
    "slash": "/",
    "backslash": "\\",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_usernames_that_are_refused(service: Service, kind: str) -> None:
    body = json.dumps(
        {"username": fresh() + REFUSED[kind], "email": f"{fresh()}@example.com", "password": PASSWORD}
    )
    answer = service.call(
        "POST", f"{AUTH}/register", data=body.encode(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400 and answer.json()["code"] in ("invalid_body", "invalid_json")


@pytest.mark.parametrize("name", [".", ".."])
def test_names_that_paths_swallow_are_refused(service: Service, name: str) -> None:
    assert register(service, name).status_code == 400


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("Anna", "aNNA"),
        ("Straße", "STRASSE"),
        ("José", unicodedata.normalize("NFD", "José")),
        (unicodedata.normalize("NFD", "ÅSA"), "åsa"),
        ("K", "\u212a"),  # the Kelvin sign
    ],
)
def test_a_name_is_taken_by_casefold_and_nfc(service: Service, mine: str, theirs: str) -> None:
    tail = fresh()
    first, second = register(service, mine + tail), register(service, theirs + tail)
    assert first.status_code == 201 and (second.status_code, second.json()["code"]) == (409, "username_taken")
    assert first.json()["user"]["username"] == unicodedata.normalize("NFC", mine + tail)


def test_an_email_is_taken_by_casefold(service: Service) -> None:
    email = f"{fresh()}@example.com"
    assert register(service, fresh(), email=email).status_code == 201
    answer = register(service, fresh(), email=email.upper())
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")


@pytest.mark.parametrize("field", ["username", "email"])
def test_two_registrations_of_one_name_at_once(service: Service, field: str) -> None:
    shared = f"{fresh()}@example.com"

    def attempt(_: int) -> tuple[int, str | None]:
        body = {"username": fresh(), "email": f"{fresh()}@example.com", field: shared}
        answer = register(service, **body)
        return answer.status_code, answer.json().get("code")

    for _ in range(4):
        shared = f"{fresh()}@example.com"
        with ThreadPoolExecutor(4) as pool:
            outcomes = Counter(pool.map(attempt, range(4)))
        assert outcomes == {(201, None): 1, (409, f"{field}_taken"): 3}
