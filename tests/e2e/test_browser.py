"""A real browser connects every service through the sandbox's consent screen, and sees our pages."""

from __future__ import annotations

import json

import pytest
import requests
from playwright.sync_api import Browser, Page

from tests.e2e.conftest import Running
from tests.support.chromium import NEEDS_CHROMIUM, new_page

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def token(running: Running) -> str:
    body = {"username": "ada", "email": "ada@example.com", "password": "correct horse battery"}
    answer = requests.post(f"{running.url}/api/auth/register", json=body, timeout=10)
    return str(answer.json()["access_token"])


@pytest.fixture(scope="module")
def page(browser: Browser) -> Page:
    return new_page(browser)


def call(running: Running, token: str, method: str, path: str) -> requests.Response:
    headers = {"Authorization": token}
    return requests.request(method, f"{running.url}{path}", headers=headers, timeout=20)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("name", ["gmail", "drive", "facebook", "github", "spotify", "discord"])
def test_connects_each_service(running: Running, token: str, page: Page, name: str, host: str) -> None:
    start = running.url.replace("localhost", host)
    page.goto(f"{start}/api/connections/{name}?token={token}")
    page.get_by_role("button", name="Allow").click()
    document = json.loads(page.inner_text("body"))
    assert document["success"] is True
    assert token not in page.url
    listed = call(running, token, "GET", "/api/connections").json()["connections"]
    assert next(row for row in listed if row["service_name"] == name)["is_connected"]
    assert call(running, token, "DELETE", f"/api/connections/{name}").status_code == 200


def test_denial_is_told(running: Running, token: str, page: Page) -> None:
    page.goto(f"{running.url}/api/connections/discord?token={token}")
    page.get_by_role("button", name="Deny").click()
    assert json.loads(page.inner_text("body"))["error"] == "OAuth error: access_denied"


@pytest.mark.parametrize("word", ["git", "spotify"])
def test_an_access_url_asks_before_it_connects(running: Running, token: str, page: Page, word: str) -> None:
    page.goto(call(running, token, "GET", f"/api/user/connection/access/{word}").json()["url"])
    page.get_by_role("button", name="Allow").click()
    assert "Is this right?" in page.inner_text("h1") and "ada" in page.inner_text("dl")
    page.get_by_role("button", name="Connect").click()
    assert page.inner_text("h1").endswith("connected")
    call(running, token, "DELETE", "/api/connections/reset")


@pytest.mark.parametrize("name", ["github", "spotify"])
def test_a_connect_url_leads_through_its_page(running: Running, token: str, page: Page, name: str) -> None:
    page.goto(call(running, token, "POST", f"/api/connections/{name}/authorize").json()["connect_url"])
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Allow").click()
    assert json.loads(page.inner_text("body"))["success"] is True
    call(running, token, "DELETE", "/api/connections/reset")


def test_a_lost_person_gets_a_page_and_a_lost_program_json(running: Running, page: Page) -> None:
    page.goto(f"{running.url}/nowhere")
    assert page.inner_text("h1") == "There is nothing at this address"
    page.goto(f"{running.url}/api/nowhere")
    assert json.loads(page.inner_text("body"))["code"] == "not_found"
    page.goto(running.url)
    assert "Gmail" in page.inner_text("main")
