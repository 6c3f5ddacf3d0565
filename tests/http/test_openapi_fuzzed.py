"""The document is taken at its word: what it allows is accepted, what it forbids refused, nothing breaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig

from app import create_app
from app.http.openapi.routes import Route, routes_of
from app.usernames import problem_with
from config import Config
from tests.conftest import start
from tests.support.databases import SqliteDatabases
from tests.support.providers import Sandbox
from tests.support.service import Service, User
from tests.support.settings import base_settings

ROUTES = routes_of(create_app(Config.from_env({**base_settings(), "DATABASE_URL": "sqlite://"})))

# They would end the caller, or its token, in the middle of a run: test_openapi.py has them.
ENDS_THE_CALLER = ("accounts.leave", "accounts.logout", "accounts.change_password", "accounts.refresh")
# One function makes the routes of every service: two are enough, one of either binding.
TWINS = ("gmail", "drive", "facebook", "discord")
# Whether these are accepted depends on what is stored or pending, which no schema knows.
DEPENDS = ("connections.replace", "callback")
# Other methods of this path are those of `/token/{service}`, which takes any word.
SHARES_ITS_PATH = "access_urls.by_token_type"
MOST = 40  # of the bounds of one operation

FUZZED = [route for route in ROUTES if route.id not in ENDS_THE_CALLER and not route.id.startswith(TWINS)]
QUIET = settings(
    max_examples=8,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
Call = Callable[[Any], requests.Response]


@pytest.fixture(scope="module")
def service(sqlite: SqliteDatabases, sandbox: Sandbox) -> Iterator[Service]:
    started = start(
        sqlite.new(),
        sandbox,
        RETURN_TO_ORIGINS="https://app.example,http://[::1]:3000",
        MAX_CONNECTIONS_PER_USER="1000000",
    )
    yield started
    started.close()


@pytest.fixture(scope="module")
def caller(service: Service) -> User:
    return service.user()


@pytest.fixture(scope="module")
def schema(service: Service, caller: User) -> Any:
    """The document as it is served, but that it knows the caller's own name."""
    document = service.call("GET", "/api/openapi.json").json()
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter["name"] == "username":
                    parameter["schema"] = {"enum": [caller.username]}
    generation = GenerationConfig(deterministic=True, with_security_parameters=False)
    project = ProjectConfig(generation=generation, base_url=service.url)
    config = SchemathesisConfig(projects=ProjectsConfig(default=project), seed=1)
    return schemathesis.openapi.from_dict(document, config=config)


@pytest.fixture(scope="module")
def call(caller: User) -> Call:
    def call(case: Any) -> requests.Response:
        return case.call_and_validate(
            headers=caller.headers, allow_redirects=False, excluded_checks=excluded(case)
        )

    return call


def excluded(case: Any) -> list[Any]:
    id = case.operation.definition.raw["operationId"]
    names = ["positive_data_acceptance"] if id.endswith(DEPENDS) else []
    names += ["unsupported_method", "allow_header_conformance"] if id == SHARES_ITS_PATH else []
    return [CHECKS.get_one(name) for name in names]


def operation_of(schema: Any, route: Route) -> Any:
    return schema[route.path][route.method.upper()]


def says_more_than_the_schema(case: Any) -> bool:
    """Tell what JSON Schema cannot: 1.0 is an integer to it, and to its fuzzer \\p{Z} is nothing."""
    body = case.body if isinstance(case.body, dict) else {}
    data = body["data"] if isinstance(body.get("data"), dict) else {}
    integers = body.get("id"), data.get("port")
    return any(isinstance(one, float) for one in integers) or bool(
        problem_with(str(body.get("username", "")))
    )


@pytest.mark.parametrize("route", FUZZED, ids=lambda route: route.id)
def test_what_the_document_allows_is_accepted(schema: Any, route: Route, call: Call) -> None:
    @QUIET
    @given(case=operation_of(schema, route).as_strategy(generation_mode=GenerationMode.POSITIVE))
    def accepted(case: Any) -> None:
        assume(not says_more_than_the_schema(case))
        call(case)

    accepted()


@pytest.mark.parametrize(
    "route",
    [route for route in FUZZED if route.parameters or route.marks.body or route.marks.query],
    ids=lambda route: route.id,
)
def test_what_the_document_forbids_is_refused(schema: Any, route: Route, call: Call) -> None:
    @QUIET
    @given(case=operation_of(schema, route).as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def refused(case: Any) -> None:
        call(case)

    refused()


@pytest.mark.parametrize("route", FUZZED, ids=lambda route: route.id)
def test_the_bounds_are_where_the_document_says(schema: Any, route: Route, call: Call) -> None:
    """Schemathesis's own list: each bound, the value beyond it, each field left out, each of another type."""
    operation, modes = operation_of(schema, route), list(GenerationMode)
    generation = schema.config.generation
    cases = list(schema.iter_coverage_cases(operation, generation_modes=modes, generation_config=generation))
    assert cases
    for case in cases[:: len(cases) // MOST + 1]:
        if not says_more_than_the_schema(case):
            call(case)


def test_what_one_answer_leads_to(schema: Any, caller: User) -> None:
    """Follow the links of the document: add, read, rename, replace, check, delete, in any order."""
    stored = schema.include(operation_id_regex=r"^(connections|legacy_tokens)\.")
    worked = Counter[str]()

    class Machine(stored.as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": caller.headers, "allow_redirects": False}

        def validate_response(self, response: Any, case: Any, **kwargs: Any) -> None:
            if says_more_than_the_schema(case):
                return
            checks = excluded(case)
            case.validate_response(response, excluded_checks=checks, transport_kwargs=kwargs)
            worked[case.operation.definition.raw["operationId"]] += response.status_code < 300

    Machine.run(settings=settings(QUIET, max_examples=12, stateful_step_count=8))
    assert all(worked[id] for id in ("connections.add", "connections.every", "legacy_tokens.add")), worked
