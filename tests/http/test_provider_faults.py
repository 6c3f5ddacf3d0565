"""Every call to every provider, spoilt in every way: the answer is bounded and ours, and nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain

import pytest
import requests
from sqlalchemy import func, select

from app.extensions import db
from app.models import Grant, Revocation
from app.providers import PROVIDERS, provider_named
from sandbox.settings import ENDPOINTS
from tests.http.test_outbound import SENTENCES
from tests.support.browser import Agent, new_account
from tests.support.providers import Fault, Sandbox
from tests.support.rows import actions_of, ago, change_grant, grant_of, tokens_of
from tests.support.service import Service, User, free_port
from tests.support.serving import StandIn

NAMES = {provider.name: provider.service.name for provider in PROVIDERS}
RENEWALS = {name: "long_lived" if name == "facebook" else "refresh" for name in NAMES}
LONGEST = 12.0
BACK_OFF, ASKED_TO_WAIT = 30, 77
KEPT = ("sealed", "generation", "expires_at", "scopes_granted", "account_id", "incarnation", "ended_at")
THEIR_WORDS = ("Gateway", "cut off", "xxxx", "perhaps", "fbtrace", "documentation_url", "limit", "Server Err")

QUICK: dict[str, tuple[str, dict[str, object]]] = {
    "refused": ("", {}),
    "500": ("status", {"status": 500}),
    "502": ("html", {}),
    "429": ("status", {"status": 429, "retry_after": ASKED_TO_WAIT}),
    "bad_json": ("bad_json", {}),
    "wrong_types": ("wrong_types", {}),
    "cut": ("cut", {}),
    "gigabyte": ("gigabyte", {}),
    "gzip_bomb": ("gzip_bomb", {}),
    "redirect": ("redirect", {"status": 307}),
}
NO_SENSE = {"bad_json", "wrong_types", "gigabyte", "gzip_bomb", "redirect"}

Asking = Callable[[Service], requests.Response]


@dataclass(frozen=True)
class Connection:
    service: Service
    sandbox: Sandbox
    user: User
    agent: Agent
    provider: str
    account: str

    @property
    def path(self) -> str:
        return f"/api/connections/{NAMES[self.provider]}"

    def ask(self, method: str, path: str = "") -> Asking:
        return lambda service: service.call(method, self.path + path, headers=self.user.headers)

    def row(self) -> Grant:
        return grant_of(self.service, self.user, self.provider)

    def count(self, model: type[Grant | Revocation]) -> int:
        mine = select(func.count()).where(model.user_id == self.user.id, model.provider == self.provider)
        with self.service.app.app_context():
            return db.session.scalar(mine) or 0

    def kept(self) -> dict[str, object]:
        row = self.row()
        return {name: getattr(row, name) for name in KEPT}

    def tokens(self) -> list[str]:
        return tokens_of(self.service, self.user, provider_named(self.provider))

    def is_live(self) -> bool:
        return {self.sandbox.control.token_state(self.provider, token) for token in self.tokens()} == {"live"}

    def move(self, *, age: timedelta, left: timedelta) -> None:
        """Let the token be so old and live so long, with nothing left of earlier failures."""
        change_grant(
            self.service,
            self.user,
            self.provider,
            token_at=ago() - age,
            expires_at=ago() + left,
            due_at=ago(seconds=1),
            retry_at=None,
            failure=None,
            failed_at=None,
        )

    def asks_again_without_a_call(self, ask: Asking) -> requests.Response:
        """Ask a second time, and see that the provider is left alone."""
        calls = self.sandbox.calls()
        answer = ask(self.service)
        assert calls.of(self.provider) == 0
        return answer


# The calls: each is prepared, asked once while its endpoint is spoilt, and judged by its answer.


def prepare_callback(own: Connection) -> Asking:
    url = own.agent.consent(own.agent.start(own.user, NAMES[own.provider]), account=own.account)
    return lambda service: own.agent.call("GET", url.replace(own.service.url, service.url))


def judge_callback(own: Connection, fault: str, answer: requests.Response) -> None:
    document = document_of(answer, 500, {"error", "code"})
    assert document["code"] in {"oauth_failed", "token_exchange_failed"}
    assert document["error"].split(": ", 1)[1] in SENTENCES
    assert own.is_live(), "the old connection must go on to work"


def prepare_expired(own: Connection) -> Asking:
    own.move(age=timedelta(hours=1), left=timedelta(seconds=-1))
    return own.ask("GET", "/token")


def judge_expired(own: Connection, fault: str, answer: requests.Response) -> None:
    again = own.asks_again_without_a_call(own.ask("GET", "/token"))
    wait = back_off(fault)
    for each in (answer, again):
        assert document_of(each, 503, {"error", "code"})["code"] == "token_unavailable"
        assert 1 <= int(each.headers["Retry-After"]) <= wait
    assert int(answer.headers["Retry-After"]) >= wait - 7
    assert_failed(own, fault)


def prepare_living(own: Connection) -> Asking:
    own.move(age=timedelta(minutes=50), left=timedelta(minutes=10))
    return own.ask("GET", "/token?min_ttl=1800")


def judge_living(own: Connection, fault: str, answer: requests.Response) -> None:
    again = own.asks_again_without_a_call(own.ask("GET", "/token?min_ttl=1800"))
    for each in (answer, again):
        document = document_of(each, 200, {"access_token", "token_type", "expires_at", "scopes", "warning"})
        assert document["access_token"] == own.tokens()[0]
        assert document["warning"] is not None
    assert_failed(own, fault)


def prepare_test(own: Connection) -> Asking:
    own.move(age=timedelta(minutes=1), left=timedelta(hours=1))
    change_grant(own.service, own.user, own.provider, due_at=ago(hours=-1))
    return own.ask("POST", "/test")


def judge_test(own: Connection, fault: str, answer: requests.Response) -> None:
    document = document_of(answer, 200, {"works", "failure", "status"})
    assert document["works"] is False
    assert document["failure"] == kind_of(fault)
    assert own.row().failure is None, "asking is no renewal"


def prepare_revocation(own: Connection) -> Asking:
    return own.ask("DELETE")


def judge_revocation(own: Connection, fault: str, answer: requests.Response) -> None:
    document = document_of(answer, 200, {"message", "revocation"})
    # RFC 7009, section 2.2: 200 tells it all, whatever the body says. GitHub's 204 has no body to spoil.
    is_done = fault in {"bad_json", "wrong_types"} or (own.provider == "github" and fault in {"cut", "drip"})
    assert document["revocation"] == ("revoked" if is_done else "queued")
    assert own.count(Grant) == 0 and own.count(Revocation) == (0 if is_done else 1)


@dataclass(frozen=True)
class Call:
    endpoint: str
    prepare: Callable[[Connection], Asking]
    judge: Callable[[Connection, str, requests.Response], None]


CALLS = {
    "revocation": Call("revoke", prepare_revocation, judge_revocation),
    "exchange": Call("token", prepare_callback, judge_callback),
    "long-lived exchange": Call("long_lived", prepare_callback, judge_callback),
    "account after the exchange": Call("identity", prepare_callback, judge_callback),
    "renewal of an expired token": Call("refresh", prepare_expired, judge_expired),
    "renewal of a living token": Call("refresh", prepare_living, judge_living),
    "test": Call("identity", prepare_test, judge_test),
}
ABSENT = {
    ("revocation", "spotify"),
    *(("long-lived exchange", name) for name in NAMES if name != "facebook"),
    ("renewal of an expired token", "facebook"),  # what has ended there cannot be exchanged any more
}
EVERY_CALL = [(call, name) for call in CALLS for name in NAMES if (call, name) not in ABSENT]


def endpoint_of(call: str, provider: str) -> str:
    endpoint = CALLS[call].endpoint
    return RENEWALS[provider] if endpoint == "refresh" else endpoint


def back_off(fault: str) -> int:
    return ASKED_TO_WAIT if fault == "429" else BACK_OFF


def kind_of(fault: str) -> str:
    return "malformed" if fault in NO_SENSE else "outage"


def assert_failed(own: Connection, fault: str) -> None:
    """The failure of a renewal is noted with its kind, and with the time that is waited."""
    row = own.row()
    assert row.failure == kind_of(fault)
    assert row.retry_at is not None and row.failed_at is not None
    assert row.retry_at - row.failed_at == timedelta(seconds=back_off(fault))


def document_of(answer: requests.Response, status: int, keys: set[str]) -> dict[str, str]:
    """Return the JSON of an answer that has this status, these keys, and no word of a provider's."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    document: dict[str, str] = answer.json()
    assert set(document) == keys
    assert not [word for word in THEIR_WORDS if word in answer.text]
    return document


def timed(ask: Asking, service: Service) -> requests.Response:
    began = time.monotonic()
    answer = ask(service)
    took = time.monotonic() - began
    assert took < LONGEST, answer.text
    return answer


def connect(service: Service, sandbox: Sandbox, user: User, provider: str) -> Connection:
    agent = Agent(service)
    url = agent.start(user, NAMES[provider])
    account = new_account(url)
    assert agent.call("GET", agent.consent(url, account=account)).status_code == 200
    return Connection(service, sandbox, user, agent, provider, account)


@pytest.fixture(scope="module", autouse=True)
def github_expires(sandbox: Sandbox) -> Iterator[None]:
    before = sandbox.control.switches("github")["expiry"]
    sandbox.control.switch("github", expiry="expiring")
    yield
    sandbox.control.switch("github", expiry=before)


@pytest.fixture(scope="module")
def unplugged(service: Service) -> Iterator[Service]:
    """The same service, but no endpoint that it calls listens."""
    closed = f"http://127.0.0.1:{free_port()}/"
    called = {"TOKEN_URL", "REVOKE_URL", "USERINFO_URL"}
    urls = {f"{one.upper()}_{name}": closed for one in ENDPOINTS for name in called & set(ENDPOINTS[one])}
    started = beside(service, urls)
    yield started
    started.close()


@pytest.fixture(scope="module")
def second_host() -> Iterator[StandIn]:
    """Somebody else's server, who notes what reaches it."""
    host = StandIn()
    yield host
    host.close()


@pytest.fixture(scope="module")
def connections(service: Service) -> dict[str, Connection]:
    """Connections to this service that have outlived one fault, and may meet the next."""
    return {}


def beside(service: Service, settings: dict[str, str]) -> Service:
    """Start a second service on the first one's database, as the same client of every provider."""
    own = {k: v for k, v in service.environ.items() if k not in ("DATABASE_URL", "PUBLIC_URL")}
    return Service(service.environ["DATABASE_URL"], {**own, **settings}, host="127.0.0.1", port=free_port())


@pytest.mark.parametrize("fault_name", QUICK)
@pytest.mark.parametrize(("call", "provider"), EVERY_CALL)
def test_a_spoilt_call_loses_nothing(
    service: Service,
    sandbox: Sandbox,
    unplugged: Service,
    second_host: StandIn,
    connections: dict[str, Connection],
    fault: Fault,
    call: str,
    provider: str,
    fault_name: str,
) -> None:
    own = connections.pop(provider, None) or connect(service, sandbox, service.user(), provider)
    ask, before = CALLS[call].prepare(own), own.kept()
    kind, parameters = QUICK[fault_name]
    if kind:
        more = {"url": second_host.url} if kind == "redirect" else {}
        fault(provider, endpoint_of(call, provider), kind, **parameters, **more)
    answer = timed(ask, service if kind else unplugged)
    assert sandbox.control.faults(provider)["faults"] == [], "the call did not meet its fault"
    CALLS[call].judge(own, fault_name, answer)
    assert second_host.requests == []
    if call == "revocation":
        return
    assert own.kept() == before
    if fault_name != "cut":  # the provider has done its work, so that what is kept may be spent
        connections[provider] = own


def test_every_call_to_a_provider_that_never_ends_is_given_up(service: Service, sandbox: Sandbox) -> None:
    second = beside(service, {})  # what drips is left to it: no call waits for a thread of its service
    asked = {"hang": service, "drip": second}
    users = {(call, kind): service.user() for call in CALLS for kind in asked}
    with ThreadPoolExecutor(2 * len(EVERY_CALL)) as pool, ThreadPoolExecutor(len(NAMES)) as lanes:
        spoilt = list(lanes.map(lambda name: prepared(sandbox, users, name), NAMES))
        waiting = list(lanes.map(lambda each: [one.submit(pool, asked[one.fault]) for one in each], spoilt))
        answers = [[answer.result() for answer in each] for each in waiting]
    second.close()
    assert sum(map(len, answers)) == 2 * len(EVERY_CALL)
    for one, answer in zip(chain(*spoilt), chain(*answers), strict=True):
        CALLS[one.call].judge(one.own, one.fault, answer)
        assert one.call == "revocation" or one.own.kept() == one.before


@dataclass(frozen=True)
class Spoilt:
    """A call that is to meet a fault that never ends."""

    own: Connection
    call: str
    fault: str
    ask: Asking
    before: dict[str, object]

    def submit(self, pool: ThreadPoolExecutor, service: Service) -> Future[requests.Response]:
        """Make the call in the background, and return when it has met its fault."""
        pause = 7000 if self.call == "revocation" else 400  # that answer has two bytes, perhaps
        provider, control = self.own.provider, self.own.sandbox.control
        control.fault(provider, endpoint_of(self.call, provider), self.fault, milliseconds=pause)
        answer = pool.submit(timed, self.ask, service)
        wait_until_taken(self.own.sandbox, provider)
        return answer


def prepared(sandbox: Sandbox, users: dict[tuple[str, str], User], provider: str) -> list[Spoilt]:
    """Connect each user to this provider, and prepare the user's call.

    Revocations are the first: a failed callback revokes too, and is not to meet their faults.
    """
    found = []
    for (call, kind), user in users.items():
        if (call, provider) not in ABSENT:
            own = connect(user.service, sandbox, user, provider)
            found.append(Spoilt(own, call, kind, CALLS[call].prepare(own), own.kept()))
    return found


def wait_until_taken(sandbox: Sandbox, provider: str) -> None:
    """Wait until the ordered fault has met its call: the next one may be at the same endpoint."""
    end, control = time.monotonic() + 10, sandbox.control
    while control.faults(provider)["faults"]:
        assert time.monotonic() < end, "no call has met the fault"
        time.sleep(0.02)


@pytest.mark.parametrize("call", ["renewal of an expired token", "renewal of a living token"])
@pytest.mark.parametrize("provider", NAMES)
def test_a_refused_client_is_the_operators_matter(
    user: User, service: Service, sandbox: Sandbox, fault: Fault, provider: str, call: str
) -> None:
    if (call, provider) in ABSENT:
        call = "renewal of a living token"
    own = connect(service, sandbox, user, provider)
    ask, before = CALLS[call].prepare(own), own.kept()
    fault(provider, RENEWALS[provider], "json", status=401, body={"error": "invalid_client"})
    answer = ask(service)
    if call == "renewal of a living token":
        assert answer.status_code == 200 and answer.json()["warning"] is not None
    else:
        assert (answer.status_code, answer.json()["code"]) == (503, "token_unavailable")
    assert (own.row().failure, own.kept()) == ("operator", before)
    assert user.call("GET", f"{own.path}/status").json()["failure"] == "operator"


@pytest.mark.parametrize("call", ["renewal of an expired token", "renewal of a living token"])
@pytest.mark.parametrize("provider", NAMES)
def test_a_dead_grant_is_marked_and_never_asked_about_again(
    user: User, service: Service, sandbox: Sandbox, fault: Fault, provider: str, call: str
) -> None:
    if (call, provider) in ABSENT:
        call = "renewal of a living token"
    own = connect(service, sandbox, user, provider)
    ask = CALLS[call].prepare(own)
    fault(provider, RENEWALS[provider], "json", status=400, body={"error": "invalid_grant"})
    answers = [ask(service), *(own.asks_again_without_a_call(ask) for _ in range(3))]
    for answer in answers:
        document = document_of(answer, 409, {"error", "code"})
        assert document["code"] == "reconnect_required"
    assert own.row().ended_at is not None
    assert actions_of(service, user).count("grant.end") == 1
