"""Ways to begin: links from other sites, hops between hosts, tickets, and addresses to return to."""

from __future__ import annotations

from urllib.parse import parse_qs, quote, urlsplit

import pytest

from tests.http.test_flows import assert_lost
from tests.support.browser import HTML, Agent
from tests.support.service import Service, StartService, User

CROSS_SITE = {"Sec-Fetch-Site": "cross-site"}
APP = "https://app.example.com"


@pytest.fixture
def returning(start_service: StartService) -> Service:
    return start_service(RETURN_TO_ORIGINS=f"{APP},http://127.0.0.1:9000", CORS_ORIGINS=APP)


def test_another_sites_link_needs_a_referer_we_know(returning: Service) -> None:
    user = returning.user()
    path = f"/api/connections/github?token={user.token}"
    cases = {
        None: 403,
        "https://evil.example/": 403,
        f"{APP}.evil.example/x": 403,
        "https://evil.example/?https://app.example.com": 403,
        f"{APP}/page": 302,
        APP: 302,
    }
    for referer, status in cases.items():
        headers = CROSS_SITE if referer is None else {**CROSS_SITE, "Referer": referer}
        assert returning.call("GET", path, headers=headers).status_code == status, referer
    for site in ("same-origin", "same-site", "none"):
        assert returning.call("GET", path, headers={"Sec-Fetch-Site": site}).status_code == 302
    assert returning.call("GET", path).status_code == 302
    header = {**CROSS_SITE, **user.headers}
    assert returning.call("GET", "/api/connections/github", headers=header).status_code == 302


def test_return_to_takes_the_outcome_along(returning: Service) -> None:
    user, agent = returning.user(), Agent(returning)
    query = f"?return_to={quote(APP + '/done?a=1#top')}"
    answer = agent.connect(user, "gmail", query)
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{APP}/done?a=1&connected=gmail#top"
    answer = agent.connect(returning.user(), "drive", query)
    assert answer.headers["Location"].endswith("?a=1&connected=drive#top")
    answer = agent.connect(user, "github", query, deny=True)
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{APP}/done?a=1&error=oauth_error#top"
    state = parse_qs(urlsplit(agent.start(user, "github", query)).query)["state"][0]
    answer = agent.call("GET", f"/api/connections/github/callback?code=bad&state={state}")
    assert answer.headers["Location"] == f"{APP}/done?a=1&error=oauth_failed#top"


@pytest.mark.parametrize(
    "url",
    [
        "//app.example.com/",
        "https:app.example.com",
        "https:///app.example.com/",
        "https://app.example.com.evil.example/",
        "https://app.example.com@evil.example/",
        "https://evil.example/@app.example.com",
        "https://app.example.com\\@evil.example/",
        "https://app.example.com\\.evil.example/",
        "https://app.example.com/\\evil.example",
        "https://app.example.com%2f%2fevil.example/",
        "https://app.example.com%00.evil.example/",
        "https://app.example.com\t.evil.example/",
        "https://app.example.com/\r\nSet-Cookie: a=b",
        "https://APP.example.com/",
        "HTTPS://app.example.com/",
        "https://app.example.com./",
        "https://app.example.com:443/",
        "https://app.example.com:444/",
        "http://app.example.com/",
        "https://xn--pp-xka.example.com/",
        "https://аpp.example.com/",
        "javascript:alert(1)//https://app.example.com",
        "data:text/html,x",
        "/relative",
        "",
        " https://app.example.com/",
        "https://127.0.0.1:9000/",
        "http://127.0.0.1:9000@evil.example/",
        "http://127.0.0.1:90000/",
    ],
)
def test_no_other_origin_is_returned_to(returning: Service, url: str) -> None:
    user = returning.user()
    answer = user.call("GET", f"/api/connections/github?return_to={quote(url, safe='')}")
    assert answer.status_code == 400 and answer.json()["code"] in {"return_to_not_allowed", "invalid_query"}
    answer = user.call("POST", "/api/connections/github/authorize", json={"return_to": url})
    assert answer.status_code == 400


@pytest.mark.parametrize("value", [0, 1, 1.0, "true", None])
def test_replace_is_true_or_false_and_nothing_else(user: User, value: object) -> None:
    answer = user.call("POST", "/api/connections/github/authorize", json={"replace": value})
    assert (answer.status_code, list(answer.json()["details"])) == (400, ["replace"])


@pytest.mark.parametrize(
    "query", ["replace=maybe", "replace=", "return_to=a&return_to=b", "scopes=all&scopes=missing"]
)
def test_odd_wishes_are_refused(user: User, query: str) -> None:
    answer = user.call("GET", f"/api/connections/github?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_query")


def test_authorize_gives_both_ways_and_no_jwt_in_any_url(user: User, agent: Agent) -> None:
    answer = agent.call("POST", "/api/connections/github/authorize", headers=user.headers)
    document = answer.json()
    assert answer.status_code == 200
    assert set(document) == {"authorize_url", "connect_url", "expires_at"}
    assert user.token not in answer.text
    assert agent.call("GET", agent.consent(document["authorize_url"])).status_code == 200


@pytest.mark.parametrize("name", ["gmail", "drive", "facebook", "github", "spotify", "discord"])
def test_connect_url_asks_then_binds_whoever_opens_it(user: User, service: Service, name: str) -> None:
    url = user.call("POST", f"/api/connections/{name}/authorize").json()["connect_url"]
    browser = Agent(service, pages=True)
    page = browser.call("GET", url)
    assert page.status_code == 200 and user.username in page.text
    assert Agent(service).submit(page).status_code == 410, "a form without its page led on"
    sent = browser.submit(page)
    assert sent.status_code == 303
    assert urlsplit(sent.headers["Location"]).netloc in page.headers["Content-Security-Policy"]
    callback = browser.consent(sent.headers["Location"])
    stranger = Agent(service).call("GET", callback)
    assert_lost(stranger, "spotify" if name == "spotify" else "github")
    assert browser.call("GET", callback).json()["success"] is True
    assert browser.call("GET", url).status_code == 410


def test_a_browser_hops_to_where_the_callback_will_come(start_service: StartService) -> None:
    service = start_service(host="localhost")
    user, browser = service.user(), Agent(service, pages=True)
    hop = browser.call("GET", f"/api/connections/spotify?token={user.token}")
    here = f"http://127.0.0.1:{service.port}"
    assert hop.status_code == 302 and hop.headers["Location"].startswith(f"{here}/connect/")
    assert user.token not in hop.headers["Location"]
    sent = browser.call("GET", hop.headers["Location"])
    assert sent.status_code == 302
    callback = browser.consent(sent.headers["Location"])
    assert callback.startswith(here)
    assert browser.call("GET", callback).json()["success"] is True
    assert browser.call("GET", hop.headers["Location"]).status_code == 410, "the ticket worked twice"


def test_who_is_no_browser_gets_spotifys_url_at_once(start_service: StartService) -> None:
    service = start_service(host="localhost")
    user = service.user()
    answer = user.call("GET", "/api/connections/spotify")
    assert "127.0.0.1" in answer.headers["Location"].split("redirect_uri=")[1]
    assert "/spotify/authorize" in answer.headers["Location"]
    other = user.call("GET", "/api/connections/github", headers=HTML)
    assert "/github/login/oauth/authorize" in other.headers["Location"]


def test_a_browser_on_127_0_0_1_hops_to_localhost_for_the_others(start_service: StartService) -> None:
    service = start_service(host="localhost")
    user, browser = service.user(), Agent(service, pages=True)
    hop = browser.call("GET", f"http://127.0.0.1:{service.port}/api/connections/github?token={user.token}")
    assert hop.headers["Location"].startswith(f"{service.url}/connect/")
    callback = browser.consent(browser.call("GET", hop.headers["Location"]).headers["Location"])
    assert browser.call("GET", callback).status_code == 200


def test_cors_knows_exact_origins_only(returning: Service) -> None:
    for origin, allowed in (
        (APP, APP),
        (f"{APP}.evil.example", None),
        ("https://appXexample.com", None),
        ("null", None),
    ):
        answer = returning.call("GET", "/api/connections", headers={"Origin": origin})
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed


def test_a_hop_asks_where_links_are_not_trusted(start_service: StartService) -> None:
    """With STRICT_CONNECT, a link that somebody else has made leads to a page that says who and what."""
    service = start_service(host="localhost", STRICT_CONNECT="true")
    user, browser = service.user(), Agent(service, pages=True)
    hop = browser.call("GET", "/api/connections/spotify", headers=user.headers)
    page = browser.call("GET", hop.headers["Location"])
    assert page.status_code == 200 and user.username in page.text
    assert browser.submit(page).status_code == 303
