"""The document of the API is valid and whole, and its page has all of it."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator

import jsonschema_rs
import pytest
import schemathesis

from app import errors
from app.http.errors import STATUS
from app.http.openapi.examples import EXAMPLES
from app.http.openapi.table import OPERATORS, TABLE
from app.usernames import FORM, problem_with
from tests.golden import examples
from tests.support.contract import Document, followed, operations, problems, served
from tests.support.service import Service, StartService

BESIDE = {"/healthz", "/readyz", "/metrics", "/callback"}

# Which operation an example of the older documents is one of.
GOLDEN = {
    "legacy_tokens.add": [examples.ADD_TOKEN],
    "legacy_tokens.get": [examples.GET_TOKEN],
    "legacy_tokens.every": [examples.GET_TOKENS],
    "legacy_tokens.rename": [examples.RENAME_TOKEN],
    "legacy_tokens.check": [examples.CHECK_TOKEN],
    "legacy_tokens.replace_or_delete": [examples.REPLACE_TOKEN, examples.DELETE_TOKEN],
    "access_urls.by_token_type": [examples.TOKEN_URLS],
    "connections.add": [examples.ADD_CONNECTION],
    "connections.read": [examples.READ_CONNECTION],
    "access_urls.by_service": [examples.SERVICE_URL],
    "connections.every": [examples.LIST_CONNECTIONS],
    "connections.rename": [examples.RENAME_CONNECTION],
    "connections.check": [examples.CHECK_CONNECTION],
    "connections.replace": [examples.REPLACE_DATA],
    "connections.delete": [examples.DELETE_CONNECTION],
    "services.every": [examples.LIST_SERVICES],
    "services.reset": [examples.RESET],
}
# Their answers are not what is served: another provider's URL, masks of any length, Drive left out.
CORRECTED = {"access_urls.by_token_type", "access_urls.by_service", "connections.every", "services.every"}


@pytest.fixture(scope="module")
def service(sqlite_service: Service) -> Service:
    return sqlite_service


@pytest.fixture(scope="module")
def document(service: Service) -> Document:
    return served(service)


def test_it_is_openapi(document: Document) -> None:
    schemathesis.openapi.from_dict(document).validate()
    assert document["openapi"].startswith("3.1.")
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)
    for reference in set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(document))):
        assert followed(document, {"$ref": reference}), reference


def test_it_names_the_routes_of_the_service_and_no_others(service: Service, document: Document) -> None:
    served = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in service.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/") or rule.rule in BESIDE
    }
    assert {(method.upper(), path) for method, path, _ in operations(document)} == served


def test_operations_have_names_of_their_own(document: Document) -> None:
    ids = Counter(operation["operationId"] for _, _, operation in operations(document))
    assert set(ids.values()) == {1}
    assert {"connections.read", "github.token", "gmail.callback", "drive.start.post"} <= set(ids)
    assert all(re.fullmatch(r"[a-z_]+\.[a-z_]+(\.post)?", id) for id in ids)


def test_no_line_of_the_table_is_left_over(document: Document) -> None:
    ids = {operation["operationId"].removesuffix(".post") for _, _, operation in operations(document)}
    assert {
        verb for verb in TABLE if not ({verb} & ids or any(id.endswith(f".{verb}") for id in ids))
    } == set()


@pytest.mark.parametrize("word", STATUS, ids=lambda word: word.code)
def test_every_error_is_told(document: Document, word: type[errors.LatchkeyError]) -> None:
    """But those of operators, which the API never answers: it does not tell who has an account or a key."""
    components = document["components"]
    assert (word.code in components["responses"]) is (word not in OPERATORS)
    if word in OPERATORS:
        return
    told, example = components["responses"][word.code], components["examples"][word.code]
    assert (told["x-status"], told["description"]) == (STATUS[word], word.sentence)
    assert (example["summary"], example["value"]["code"]) == (word.sentence, word.code)
    assert not set("{}") & set(example["value"]["error"])


def test_every_error_is_some_operations_but_those_of_no_operation(document: Document) -> None:
    of_operations = {
        code
        for _, _, operation in operations(document)
        for answer in operation["responses"].values()
        if "$ref" in answer
        for code in followed(document, answer)["content"]["application/json"]["examples"]
    }
    elsewhere = {"not_found", "method_not_allowed"} | {"ticket_expired", "form_expired"}  # no route, pages
    assert {word.code for word in STATUS if word not in OPERATORS} - of_operations == elsewhere


def test_every_example_fits_its_schema(document: Document) -> None:
    parts = [part for _, _, operation in operations(document) for part in bodies(document, operation)]
    judged = 0
    for part in parts:
        for example in part.get("examples", {}).values():
            value = followed(document, example)["value"]
            assert problems(document, part["schema"], value) == [], value
            judged += 1
    assert judged > 500


def bodies(document: Document, operation: Document) -> Iterator[Document]:
    told = [followed(document, answer) for answer in operation["responses"].values()]
    for part in (operation.get("requestBody", {}), *told):
        yield from part.get("content", {}).values()


@pytest.mark.parametrize("verb", GOLDEN)
def test_its_examples_are_those_of_the_older_documents(verb: str) -> None:
    requests = [example["value"] for example in EXAMPLES[verb].get("request", {}).values()]
    answers = [example["value"] for example in EXAMPLES[verb]["answer"].values()]
    for example in GOLDEN[verb]:
        assert example.body is None or json.loads(example.body) in requests
        assert (json.loads(example.response) in answers) is (verb not in CORRECTED)


def test_a_username_has_the_form_that_is_told() -> None:
    """Of every character that both know: what is assigned differs from one version of Unicode to the next."""
    judge = jsonschema_rs.Draft202012Validator({"pattern": FORM})
    for code in range(sys.maxunicode + 1):
        name = chr(code)
        if unicodedata.category(name) not in ("Cn", "Cs", "Co") and name != ".":
            assert judge.is_valid(name) == (problem_with(name) is None), hex(code)


def test_it_says_how_this_service_is_set_up(start_service: StartService) -> None:
    service = start_service(
        MAX_BODY_BYTES="4321",
        RATELIMIT_ENABLED="true",
        RATELIMIT_SECRETS="17/minute",
        RETURN_TO_ORIGINS="https://app.example",
        JWT_ALGORITHM="HS256",
        ACCOUNTS_ENABLED="true",
    )
    document = service.call("GET", "/api/openapi.json").json()
    assert document["servers"] == [{"url": service.url}]
    assert "4321 bytes" in document["info"]["description"]
    assert "17/minute that show secrets" in document["info"]["description"]
    pattern = document["components"]["schemas"]["Authorize"]["properties"]["return_to"]["pattern"]
    assert re.fullmatch(pattern, "https://app.example/back") and not re.fullmatch(
        pattern, "https://b.example"
    )


def test_it_is_sent_once(service: Service) -> None:
    first = service.call("GET", "/api/openapi.json")
    again = service.call("GET", "/api/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["Cache-Control"] == "no-store"


def test_the_page_has_every_operation_and_every_error(service: Service, document: Document) -> None:
    answer = service.call("GET", "/api/docs")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "style=" not in answer.text and "<script" not in answer.text
    for method, path, operation in operations(document):
        [article] = re.findall(
            rf'<article id="{re.escape(operation["operationId"])}".*?</article>', answer.text, re.S
        )
        assert f'<span class="method">{method.upper()}</span> <code>{path}</code>' in article
    for code, example in document["components"]["examples"].items():
        assert f"<code>{code}</code></dt><dd>{example['summary']}</dd>" in answer.text
    for link in re.findall(r'href="#([^"]+)"', answer.text):
        assert answer.text.count(f'id="{link}"') == 1, link
