"""/metrics: what was counted and how things stand, true to the rows, and told whatever fails."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from itertools import product

import pytest
from sqlalchemy import delete, insert, select, update
from sqlalchemy.engine import make_url

from app.extensions import db
from app.http import metrics
from app.models import Connection, Grant, Revocation, ServiceConnection, User, clock
from app.oauth.answers import Kind
from app.providers import service_named
from app.services import gauges, health
from tests.conftest import start
from tests.http.test_refresh_protocol import answered, place_of, put_in_spool
from tests.support.browser import Agent
from tests.support.databases import ROOT, PostgresqlDatabases
from tests.support.faults import Fault, Proxy
from tests.support.providers import Fault as Spoil
from tests.support.providers import Sandbox
from tests.support.redis import redis_url
from tests.support.rows import ago, change_grant, expire_token
from tests.support.scraping import Scrape
from tests.support.service import Service, StartService, free_port
from tests.support.service import User as Person

SSH = {"name": "n", "type": "sshes", "data": {"host": "h", "username": "u", "password": "p"}}
GIT = {"name": "t", "token_type": "git", "token": "a token"}
HOME = "/api/users/:username"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every scrape ask the database."""
    monkeypatch.setattr(metrics, "FRESH_FOR", 0.0)


@pytest.fixture
def own(start_service: StartService) -> Service:
    """A service whose database nobody else fills."""
    return start_service()


def scrape(service: Service) -> Scrape:
    answer = service.call("GET", "/metrics")
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/plain; version=")
    return Scrape(answer.text)


class Rise:
    """Tells by how much a count has risen since this was made; other tests of this process count too."""

    def __init__(self, service: Service, name: str, /, **labels: str) -> None:
        self._service, self._name, self._labels = service, name, labels
        self._before = scrape(service)(name, **labels)

    def __call__(self) -> float:
        return scrape(self._service)(self._name, **self._labels) - self._before


def test_every_metric_is_documented_with_its_labels(start_service: StartService) -> None:
    with redis_url() as url:
        service = start_service(REDIS_URL=url)
        service.call("GET", "/healthz")
        shown = scrape(service)
    rows = re.findall(r"^\| `(latchkey_\w+)` \|([^|]*)\|", (ROOT / "docs/metrics.md").read_text(), re.M)
    told = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    seen = {}
    for family in shown.families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        seen[name] = {label for sample in family.samples for label in sample.labels} - {"le"}
    assert told == seen


def test_requests_are_counted_by_rule_and_never_by_path(service: Service, user: Person) -> None:
    rule = "/api/users/<username>/get/connection/<row_id:id>"
    user.call("GET", f"{HOME}/get/connection/7")
    risen = Rise(service, "latchkey_requests_total", method="GET", route=rule, status="404")
    lasted = Rise(service, "latchkey_request_seconds_count", route=rule)
    for id in (7, 8, "x"):
        user.call("GET", f"{HOME}/get/connection/{id}")
    service.call("GET", f"/nowhere/{user.username}")
    service.call("BREW", f"/nowhere/{user.username}")
    service.call("PUT", "/healthz")
    assert (risen(), lasted()) == (3, 3)
    shown = scrape(service)
    assert shown("latchkey_requests_total", method="other", route="unmatched") >= 1
    assert shown("latchkey_requests_total", method="PUT", route="unmatched", status="405") >= 1
    assert user.username not in service.call("GET", "/metrics").text


def test_an_answer_is_counted_once_whatever_happens_after_its_view(start_service: StartService) -> None:
    service = start_service(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    user = service.user()
    labels = {"method": "GET", "route": "/api/connections/github"}
    user.call("GET", "/api/connections/github")
    risen = Rise(service, "latchkey_requests_total", **labels)
    assert user.call("GET", "/api/connections/github").status_code == 503
    assert risen() == Rise(service, "latchkey_requests_total", **labels, status="503")() + 1


def test_it_obeys_the_host_check_and_needs_no_token(service: Service) -> None:
    assert service.call("GET", "/metrics", headers={"Host": "evil.example"}).status_code == 400
    assert service.call("GET", "/metrics").headers["Cache-Control"] == "no-store"


def test_secrets_are_counted_as_they_are_handed_out(service: Service, user: Person, agent: Agent) -> None:
    id = user.call("POST", f"{HOME}/add/connection", json=SSH).json()["id"]
    for _ in range(2):
        user.call("POST", f"{HOME}/connections/addtoken", json=GIT)
    agent.connect(user, "discord")
    typed, legacy, token = (
        Rise(service, "latchkey_secrets_read_total", kind=kind) for kind in ("typed", "legacy", "token")
    )
    user.call("GET", f"{HOME}/get/connections")
    assert (typed(), legacy(), token()) == (0, 0, 0)
    user.call("GET", f"{HOME}/get/connection/{id}")
    user.call("POST", f"{HOME}/connection/gettoken", json={"name": "t", "token_type": "git"})
    user.call("GET", f"{HOME}/connection/gettokens")
    user.call("GET", "/api/connections/discord/token")
    assert (typed(), legacy(), token()) == (1, 3, 1)


FAILURES = {
    Kind.OUTAGE: {"status": 503},
    Kind.OPERATOR: {"status": 401, "body": {"error": "invalid_client"}},
    Kind.DEAD_GRANT: {"status": 400, "body": {"error": "invalid_grant"}},
    Kind.MALFORMED: {"status": 200, "body": {"access_token": 7, "token_type": "bearer"}},
}


@pytest.mark.parametrize("kind", FAILURES, ids=lambda kind: kind.value)
def test_renewals_are_counted_by_what_came_of_them(
    service: Service, user: Person, agent: Agent, sandbox: Sandbox, fault: Spoil, kind: Kind
) -> None:
    agent.connect(user, "spotify")
    expire_token(service, sandbox, user, "spotify")
    risen = Rise(service, "latchkey_refreshes_total", provider="spotify", outcome=kind.value)
    renewed = Rise(service, "latchkey_refreshes_total", provider="spotify", outcome="renewed")
    fault("spotify", "refresh", "json", **FAILURES[kind])
    user.call("GET", "/api/connections/spotify/token")
    assert (risen(), renewed()) == (1, 0)
    if kind is not Kind.DEAD_GRANT:
        change_grant(service, user, retry_at=None)
        assert user.call("GET", "/api/connections/spotify/token").status_code == 200
        assert (risen(), renewed()) == (1, 1)


def test_an_answer_from_the_spool_is_a_renewal(
    service: Service, user: Person, agent: Agent, sandbox: Sandbox
) -> None:
    agent.connect(user, "discord")
    expire_token(service, sandbox, user, "discord")
    waiting = Rise(service, "latchkey_spool_answers")
    put_in_spool(service, place_of(service, user), answered(service, sandbox, user))
    renewed = Rise(service, "latchkey_refreshes_total", provider="discord", outcome="renewed")
    assert waiting() == 1
    assert user.call("GET", "/api/connections/discord/token").status_code == 200
    assert (renewed(), waiting()) == (1, 0)


def test_revocations_are_counted_and_the_queue_is_told(
    service: Service, user: Person, agent: Agent, fault: Spoil
) -> None:
    revoked, queued = (
        Rise(service, "latchkey_revocations_total", provider="discord", outcome=outcome)
        for outcome in ("revoked", "queued")
    )
    waiting = Rise(service, "latchkey_revocation_queue", provider="discord")
    agent.connect(user, "discord")
    user.call("DELETE", "/api/connections/discord")
    assert (revoked(), queued(), waiting()) == (1, 0, 0)
    agent.connect(user, "discord")
    fault("discord", "revoke", "status", status=500)
    user.call("DELETE", "/api/connections/discord")
    assert (revoked(), queued(), waiting()) == (1, 1, 1)
    with service.app.app_context():
        mine = update(Revocation).where(Revocation.user_id == user.id)
        db.session.execute(mine.values(created_at=ago(days=400)))
        db.session.commit()
    age = timedelta(seconds=scrape(service)("latchkey_oldest_revocation_seconds"))
    assert timedelta(days=400) <= age < timedelta(days=400, minutes=5)
    with service.app.app_context():
        db.session.execute(delete(Revocation).where(Revocation.user_id == user.id))
        db.session.commit()
    assert waiting() == 0


def test_what_does_not_open_raises_the_alarm(service: Service, user: Person, agent: Agent) -> None:
    agent.connect(user, "discord")
    user.call("POST", f"{HOME}/add/connection", json=SSH)
    rows, grants = (
        Rise(service, "latchkey_unreadable_total", table=table) for table in ("connections", "grants")
    )
    with service.app.app_context():
        for table in (Connection, Grant):
            db.session.execute(update(table).where(table.user_id == user.id).values(sealed=b"spoiled"))
        db.session.commit()
    user.call("GET", f"{HOME}/get/connections")
    assert (rows(), grants()) == (1, 0)
    assert user.call("GET", "/api/connections/discord/token").status_code == 500
    assert (rows(), grants()) == (1, 1)


def test_rows_and_keys_are_told(service: Service) -> None:
    people, stored = (Rise(service, f"latchkey_{name}") for name in ("users", "typed_connections"))
    user = service.user()
    user.call("POST", f"{HOME}/add/connection", json=SSH)
    user.call("POST", f"{HOME}/connections/addtoken", json=GIT)
    assert (people(), stored()) == (1, 2)
    shown = scrape(service)
    assert shown("latchkey_key_in_use", key_id="k1", primary="true") == 1
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M)
    assert version and shown("latchkey_build_info", version=version[1]) == 1


def test_leases_are_told_apart(service: Service, user: Person, agent: Agent) -> None:
    agent.connect(user, "discord")
    held, stuck = (Rise(service, f"latchkey_leases_{state}") for state in ("held", "stuck"))

    def leases(**values: object) -> tuple[float, float]:
        change_grant(service, user, **values)
        return held(), stuck()

    assert leases(lease_until=ago(seconds=-10), attempted_at=ago()) == (1, 0)
    assert leases(lease_until=ago(seconds=10)) == (0, 0), "others wait for its node"
    assert leases(lease_until=ago(seconds=610)) == (0, 1)
    assert leases(attempted_at=None) == (0, 0), "the provider was never called"
    assert leases(attempted_at=ago(), ended_at=ago()) == (0, 0)


def test_grants_about_to_end_are_told(service: Service, user: Person, agent: Agent) -> None:
    ending = Rise(service, "latchkey_grants_ending_30d")
    agent.connect(user, "spotify")
    for days, number in ((31, 0), (29, 1)):
        change_grant(service, user, ends_at=ago(days=-days))
        assert ending() == number
    change_grant(service, user, ended_at=ago())
    assert ending() == 0


def cases(at: datetime) -> Iterator[dict[str, object]]:
    """Yield the columns of a grant in every way that its health may depend on."""
    ended = (None, at - timedelta(days=1))
    failures = (None, *(kind.value for kind in Kind if kind is not Kind.DEAD_GRANT))
    expiries = (None, at - timedelta(seconds=1), at, at + timedelta(hours=1))
    ends = (None, at - timedelta(days=1), at + timedelta(days=30), at + timedelta(days=30, seconds=1))
    scopes = ((["repo"], ["repo"]), (["repo", "public_repo"], ["repo"]), (["repo", "gist"], ["repo"]))
    for ended_at, failure, expires_at, ends_at, renewable, (asked, granted) in product(
        ended, failures, expiries, ends, (True, False), scopes
    ):
        yield {
            "ended_at": ended_at,
            "failure": failure,
            "expires_at": expires_at,
            "ends_at": ends_at,
            "renewable": renewable,
            "scopes_asked": asked,
            "scopes_granted": granted,
        }


def test_connections_are_judged_as_each_of_them_is(own: Service) -> None:
    with own.app.app_context():
        at = db.session.scalars(select(clock())).one()
        made = list(cases(at))
        people = [f"p{number}" for number in range(len(made))]
        db.session.execute(
            insert(User),
            [
                {"username": one, "username_key": one, "email": one, "email_key": one, "password_hash": "x"}
                for one in people
            ],
        )
        ids = db.session.scalars(select(User.id).order_by(User.id)).all()
        common = {"provider": "github", "account_id": "a", "account_label": "a", "sealed": b""}
        grants = [{**common, **one, "user_id": id} for one, id in zip(made, ids, strict=True)]
        db.session.execute(insert(Grant), grants)
        service = service_named("github")
        rows = db.session.scalars(select(Grant)).all()
        links = [{"user_id": row.user_id, "service_id": service.id, "grant_id": row.id} for row in rows]
        db.session.execute(insert(ServiceConnection), links)
        expected = Counter(health.of(row, service, at).word for row in rows)
        (found,) = gauges._connections(at)
        db.session.rollback()
    assert {word: found.values["github", word.value] for word in health.Word} == dict(expected)
    assert len(expected) == len(health.Word), "each word is the right one for some"
    assert sum(found.values.values()) == len(made) == 768


def test_two_services_of_one_grant_are_two_connections(service: Service, user: Person, agent: Agent) -> None:
    both = [Rise(service, "latchkey_connections", service=name, health="ok") for name in ("gmail", "drive")]
    agent.connect(user, "gmail")
    assert [rise() for rise in both] == [1, 1]
    assert len(scrape(service).labels("latchkey_connections")) == 6 * len(health.Word)


def test_the_database_is_not_asked_by_every_scrape(own: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "FRESH_FOR", 60.0)
    assert scrape(own)("latchkey_users") == 0
    own.user()
    assert scrape(own)("latchkey_users") == 0
    monkeypatch.setattr(own.app.extensions["latchkey.recent"], "_until", 0.0)
    assert scrape(own)("latchkey_users") == 1


def test_it_answers_without_database_and_redis(start_service: StartService) -> None:
    away = {"database_url": f"postgresql://nobody@127.0.0.1:{free_port()}/none"}
    service = start_service(**away, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    begun = time.monotonic()
    shown = scrape(service)
    assert time.monotonic() - begun < 5
    assert (shown("latchkey_database_up"), shown("latchkey_redis_up")) == (0, 0)
    assert not shown.labels("latchkey_users") and shown("latchkey_key_in_use", key_id="k1") == 1


def test_a_frozen_database_is_not_waited_for_long(postgresql: PostgresqlDatabases, sandbox: Sandbox) -> None:
    url = make_url(postgresql.new())
    with closing(Proxy((url.host or "127.0.0.1", url.port or 5432))) as proxy:
        through = url.set(host="127.0.0.1", port=proxy.port, query={"sslmode": "disable"})
        service = start(through.render_as_string(hide_password=False), sandbox)
        with closing(service):
            assert scrape(service)("latchkey_database_up") == 1
            with proxy.suffering(Fault.SILENT):
                begun = time.monotonic()
                with ThreadPoolExecutor(4) as pool:
                    shown = list(pool.map(scrape, [service] * 4))
                assert time.monotonic() - begun < 3 * metrics.PATIENCE, "they do not wait one after the other"
                assert {one("latchkey_database_up") for one in shown} == {0}
            assert scrape(service)("latchkey_database_up") == 1


def test_it_answers_on_a_schema_that_does_not_fit(databases: object, start_service: StartService) -> None:
    service = start_service(database_url=databases.empty())  # type: ignore[attr-defined]
    assert scrape(service)("latchkey_database_up") == 0
    assert service.call("GET", "/api/connections").status_code == 503


def test_redis_is_told_only_where_there_is_one(service: Service, start_service: StartService) -> None:
    assert not scrape(service).labels("latchkey_redis_up")
    with redis_url() as url:
        assert scrape(start_service(REDIS_URL=url))("latchkey_redis_up") == 1
