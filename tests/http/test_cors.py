"""Other origins: exactly those that are listed, for the API alone."""

from __future__ import annotations

import pytest
import requests

from tests.support.service import Service, StartService

LISTED = "https://app.example.com"
SIX = "https://[2001:db8::5]"


def ask(
    service: Service, origin: str, path: str = "/api/connections", method: str = "GET"
) -> requests.Response:
    headers = {"Origin": origin}
    if method == "OPTIONS":
        headers |= {
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization, x-on-behalf-of",
        }
    return service.call(method, path, headers=headers)


def allowed(answer: requests.Response) -> str | None:
    return answer.headers.get("Access-Control-Allow-Origin")


def test_listed_origins_and_no_other(start_service: StartService) -> None:
    service = start_service(CORS_ORIGINS=f"{LISTED},{SIX}")
    for origin in (LISTED, SIX):
        answer = ask(service, origin)
        assert allowed(answer) == origin and answer.headers["Access-Control-Allow-Credentials"] == "true"
        asked = ask(service, origin, method="OPTIONS")
        assert allowed(asked) == origin
        assert "x-on-behalf-of" in asked.headers["Access-Control-Allow-Headers"].lower()
    for origin in (
        "https://appxexample.com", f"{LISTED}.evil.example", f"{LISTED}:443", "http://app.example.com",
        "https://d.evil.example", "https://1password.evil.example", "https://2", "null", f"{LISTED}\x00",
        f"x{LISTED}", f"{LISTED} {LISTED}",
    ):  # fmt: skip
        for method in ("GET", "OPTIONS"):
            assert allowed(ask(service, origin, method=method)) is None, origin


@pytest.mark.parametrize("path", ["/", "/connect/x", "/callback", "/healthz", "/.well-known/security.txt"])
def test_pages_are_for_no_other_origin(start_service: StartService, path: str) -> None:
    assert allowed(ask(start_service(CORS_ORIGINS=f"{LISTED},{SIX}"), LISTED, path)) is None


def test_without_a_list_there_is_none(service: Service) -> None:
    assert allowed(ask(service, LISTED)) is None
