"""What is asked: the rows of the table in benchmarks/README.md, and how an answer to each is judged."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import requests

from app.models.connection import MASK
from app.providers import PROVIDERS, SERVICES
from tests.support.filling import data_of

from .load import Expected
from .population import PROVIDER, Arrival, Caller, Population, access_token_of

GET, POST = "GET", "POST"
NEW = {"host": "192.0.2.9", "username": "u", "password": "the secret of nobody"}
COOKIE = "latchkey-flow"  # what binds a flow to its browser where PUBLIC_URL is not https
LISTED = "/api/users/{0.username}/get/connections"

Judge = Callable[[requests.Response], bool]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, and whether an answer to it is right in every part."""

    method: str
    path: str
    judge: Judge
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = b""

    def to_bytes(self, port: int) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(self.body)}"]
        return "\r\n".join([*lines, "", ""]).encode("latin1") + self.body

    def is_answered(self, url: str) -> bool:
        """Ask once, and judge the answer."""
        headers = {"Content-Type": "application/json", **self.headers} if self.body else self.headers
        said = requests.request(
            self.method, url + self.path, headers=headers, data=self.body, timeout=30, allow_redirects=False
        )
        return self.judge(said)


@dataclass(frozen=True, slots=True)
class Operation:
    """`wanted` is the ratio to bare Flask's requests a second, by database.

    `asks` returns requests for everybody, or so many where each of them works `once`.
    """

    name: str
    expected: Expected
    asks: Callable[[Population, int, str], Sequence[Ask]]
    wanted: Mapping[str, float]
    once: bool = False


def called(caller: Caller, method: str, path: str, judge: Judge, body: bytes = b"") -> Ask:
    return Ask(method, path, judge, {"Authorization": f"Bearer {caller.token}"}, body)


def one(population: Population, count: int, url: str) -> list[Ask]:
    chance = random.Random(1)
    return [_one(caller, chance.choice(caller.connections)) for caller in population.callers]


def _one(caller: Caller, id: int) -> Ask:
    right = {"id": str(id), "name": f"n{id}", "type": "sshes", "data": data_of(id)}
    path = f"/api/users/{caller.username}/get/connection/{id}"
    return called(caller, GET, path, lambda said: said.status_code == 200 and said.json() == right)


def token(population: Population, count: int, url: str) -> list[Ask]:
    return [_token(caller) for caller in population.callers]


def _token(caller: Caller) -> Ask:
    right = access_token_of(caller.user_id)
    path = f"/api/connections/{PROVIDER}/token"
    return called(caller, GET, path, lambda said: said.json().get("access_token") == right)


def services(population: Population, count: int, url: str) -> list[Ask]:
    return [called(caller, GET, "/api/connections", _is_overview) for caller in population.callers]


def _is_overview(said: requests.Response) -> bool:
    connected = {row["service_name"]: row["is_connected"] for row in said.json()["connections"]}
    return connected == {service.name: service.name == PROVIDER for service in SERVICES}


def few(population: Population, count: int, url: str) -> list[Ask]:
    return [_list(caller) for caller in population.callers]


def many(population: Population, count: int, url: str) -> list[Ask]:
    return [_list(population.crowded)]


def _list(caller: Caller) -> Ask:
    right = [(id, {**data_of(id), "password": MASK}) for id in caller.connections]

    def judge(said: requests.Response) -> bool:
        found = [(row["id"], row["data"]) for row in said.json()["connections"]]
        return found[: len(right)] == right  # what was added since stands behind

    return called(caller, GET, LISTED.format(caller), judge)


def add(population: Population, count: int, url: str) -> list[Ask]:
    body = json.dumps({"name": "new", "type": "sshes", "data": NEW}).encode()
    path = "/api/users/{0.username}/add/connection"
    return [called(each, POST, path.format(each), _is_added, body) for each in population.callers]


def _is_added(said: requests.Response) -> bool:
    return said.status_code == 201 and said.json()["data"] == NEW


def starts(service: str) -> Callable[[Population, int, str], list[Ask]]:
    """Return what begins a flow of this service, each time in another browser."""
    [url] = [each.authorize_url for each in PROVIDERS if each.service.name == service]

    def judge(said: requests.Response) -> bool:
        address, _, query = said.headers["Location"].partition("?")
        return said.status_code == 302 and address == url and bool(parse_qs(query)["state"])

    def start(population: Population, count: int, url: str) -> list[Ask]:
        return [called(each, GET, f"/api/connections/{service}", judge) for each in population.callers]

    return start


def callback(population: Population, count: int, url: str) -> list[Ask]:
    redirect_uri = f"{url}/api/connections/{PROVIDER}/callback"
    return [_arrive(urlsplit(redirect_uri).path, each) for each in population.arrivals(count, redirect_uri)]


def _arrive(path: str, arrival: Arrival) -> Ask:
    def judge(said: requests.Response) -> bool:
        return said.status_code == 200 and said.json()["connection"]["service_name"] == PROVIDER

    query = f"?code=made-up&state={arrival.state}"
    return Ask(GET, path + query, judge, {"Cookie": f"{COOKIE}={arrival.browser}"})


def bare(population: Population, count: int, url: str) -> list[Ask]:
    return [Ask(GET, "/", lambda said: said.json()["name"] == "bare")]


def ratios(postgresql: float, sqlite: float) -> dict[str, float]:
    return {"postgresql": postgresql, "sqlite": sqlite}


_SECRET, _STATE = '"the secret of ', "&state="
BARE = Operation("bare", Expected(200, '"bare"'), bare, {})
ONE = Operation("one", Expected(200, _SECRET), one, ratios(0.50, 0.60))
TOKEN = Operation("token", Expected(200, '"the access token of '), token, ratios(0.50, 0.60))
SERVICES_OF_USER = Operation("services", Expected(200, '"is_connected":true'), services, ratios(0.50, 0.60))
LIST = Operation("list-10", Expected(200, f'"{MASK}"'), few, ratios(0.45, 0.55))
LONG_LIST = Operation("list-1000", Expected(200, f'"{MASK}"'), many, ratios(0.10, 0.10))
OPERATIONS = (
    ONE,
    TOKEN,
    SERVICES_OF_USER,
    LIST,
    LONG_LIST,
    Operation("add", Expected(201, _SECRET), add, ratios(0.35, 0.35)),
    Operation("start-spotify", Expected(302, _STATE, "Location"), starts("spotify"), ratios(0.48, 0.48)),
    Operation("start-github", Expected(302, _STATE, "Location"), starts("github"), ratios(0.38, 0.38)),
    Operation("callback", Expected(200, '"success":true'), callback, ratios(0.20, 0.20), once=True),
)
