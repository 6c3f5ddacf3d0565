"""Access URLs: where a caller sends its user."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from app.providers import ACCESS_WORDS
from tests.support.browser import Agent
from tests.support.service import Service, User


@pytest.fixture(scope="module")
def user(service: Service) -> User:
    """Somebody whom these tests share: access URLs leave nothing behind."""
    return service.user()


@pytest.mark.parametrize("word", ACCESS_WORDS)
def test_access_urls_are_the_providers_own(service: Service, user: User, agent: Agent, word: str) -> None:
    answers = [
        user.call("POST", "/api/user/connection/access/token/urls", json={"token_type": word}),
        user.call("GET", f"/api/user/connection/access/{word}"),
        user.call("GET", f"/api/user/connection/access/token/{word}"),
    ]
    provider = ACCESS_WORDS[word]
    start = parse_qs(
        urlsplit(user.call("GET", f"/api/connections/{provider.service.name}").headers["Location"]).query
    )
    states = set()
    for answer in answers:
        assert answer.status_code == 200 and set(answer.json()) == {f"{word}_url", "url"}
        assert answer.headers["Cache-Control"] == "no-store"
        url = answer.json()["url"]
        query = parse_qs(urlsplit(url).query)
        assert answer.json()[f"{word}_url"] == url
        assert url.startswith(service.environ[f"{provider.name.upper()}_AUTHORIZE_URL"])
        for field in ("client_id", "redirect_uri", "scope", "response_type"):
            assert query[field] == start[field]
        states.add(query["state"][0])
    assert len(states) == 3


@pytest.mark.parametrize("word", ["spotify", "github"])
def test_the_state_of_an_access_url_works_once(user: User, agent: Agent, word: str) -> None:
    url = user.call("GET", f"/api/user/connection/access/{word}").json()["url"]
    callback = agent.consent(url)
    assert agent.call("GET", callback).json()["success"] is True
    assert agent.call("GET", callback).status_code == 400


@pytest.mark.parametrize("word", ["unknown", "Git", "githubs", "drive", "%00", "%ff", " git"])
def test_an_unknown_word_is_told_the_known_ones(user: User, word: str) -> None:
    sentence = f"Unknown service; the known ones are: {', '.join(ACCESS_WORDS)}"
    for path in ("", "token/"):
        answer = user.call("GET", f"/api/user/connection/access/{path}{word}")
        assert (answer.status_code, answer.json()) == (400, {"error": sentence, "code": "unknown_service"})
    if "%" not in word:
        answer = user.call("POST", "/api/user/connection/access/token/urls", json={"token_type": word})
        assert (answer.status_code, answer.json()) == (400, {"error": sentence, "code": "unknown_service"})
