"""Whoever finds a weakness finds out where to report it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from app.http import security_txt
from tests.support.browser import HTML
from tests.support.raw import exchange, request_head
from tests.support.service import Service, StartService

PATH = "/.well-known/security.txt"
FORM = re.compile(r"([A-Za-z-]+): ([\x21-\x7e]+)\n")  # RFC 9116, section 4, without what we never send


def fields(text: str) -> dict[str, str]:
    """Read the file as its grammar has it; a field that stands twice would be lost, and is refused."""
    found = FORM.findall(text)
    assert "".join(f"{name}: {value}\n" for name, value in found) == text
    assert len(found) == len(dict(found))
    return dict(found)


@pytest.mark.parametrize("headers", [{}, HTML], ids=["program", "person"])
def test_anybody_may_read_it(service: Service, headers: dict[str, str]) -> None:
    answer = service.call("GET", PATH, headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert "Set-Cookie" not in answer.headers
    assert set(fields(answer.text)) == {"Contact", "Expires", "Preferred-Languages"}
    assert fields(answer.text)["Contact"] == "mailto:security@127.0.0.1"


def test_it_names_the_contact_and_the_address_of_the_settings(start_service: StartService) -> None:
    contact, public_url = "https://example.com/report", "https://latchkey.example"
    service = start_service(SECURITY_CONTACT=contact, PUBLIC_URL=public_url)
    told = fields(service.call("GET", PATH, headers={"Host": "latchkey.example"}).text)
    assert (told["Contact"], told["Canonical"]) == (contact, public_url + PATH)


def test_the_host_that_was_asked_is_not_in_it(service: Service) -> None:
    refused = exchange(service, request_head(service, f"GET {PATH}", host="evil.example"))
    told = service.call("GET", PATH, headers={"X-Forwarded-Host": "evil.example"})
    assert refused.status == 400 and told.status_code == 200
    assert b"evil" not in refused.content + told.content


@pytest.mark.parametrize("at", ["2026-12-31T23:59:59.999999", "2027-01-01T00:00:00", "2028-02-29T12:00:00"])
def test_it_ends_in_the_future_and_within_a_year(
    service: Service, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    now = datetime.fromisoformat(at).replace(tzinfo=UTC)
    monkeypatch.setattr(security_txt, "now", lambda: now)
    told = fields(service.call("GET", PATH).text)["Expires"]
    assert told.endswith("T00:00:00Z")
    assert timedelta(days=90) < datetime.fromisoformat(told) - now < timedelta(days=365)
