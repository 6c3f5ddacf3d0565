"""The documents are true: every setting, route, error, provider and type stands in them, and nothing else."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from pathlib import Path

import pytest

from app import create_app
from app.connection_types import CONNECTION_TYPES, ConnectionType
from app.oauth.provider import Provider
from app.providers import PROVIDERS, SERVICES
from benchmarks import figures
from benchmarks.speed.operations import OPERATIONS
from config import Config, RateLimits
from tests.support.databases import ROOT
from tests.support.documents import DOCUMENTS, anchors, blocks, links, read, sections, without_code
from tests.support.settings import base_settings

API, SETTINGS, PROVIDERS_TOLD = read("docs/api.md"), read("docs/settings.md"), read("docs/providers.md")
README, SPEED = read("README.md"), read("benchmarks/README.md")
EXAMPLES = [json.loads(line) for block in blocks("docs/api.md") for line in block.code.splitlines()]
TARGETS = set(re.findall(r"^([a-z]+):.*##", read("Makefile"), re.MULTILINE))


def documented_routes() -> set[tuple[str, str]]:
    found = re.findall(r"^\| `(GET|POST|PUT|DELETE) (/[^` ]*)`", API, re.MULTILINE)
    return {(method, path) for method, path in found}


def served_routes() -> set[tuple[str, str]]:
    """The URL map, written as the document writes it."""
    app = create_app(Config.from_env({**base_settings(), "DATABASE_URL": "sqlite://"}))
    found = set()
    names = "|".join(service.name for service in SERVICES)
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<row_id:id>", ":id", str(rule)).replace("<username>", ":username")
        path = path.replace("<service:service>", "<service>")
        path = re.sub(rf"^/api/connections/({names})(?=/|$)", "/api/connections/<service>", path)
        methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not path.startswith("/static"):
            found |= {(method, path) for method in methods}
    return found


def test_every_route_is_documented_and_every_documented_one_is_served() -> None:
    told_beside = {("POST", "/api/connections/<service>"), ("POST", "/connect/<ticket>")}
    assert documented_routes() | told_beside == served_routes()


def test_every_setting_is_documented() -> None:
    source = (ROOT / "config.py").read_text()
    read = set(re.findall(r'"([A-Z][A-Z_]{4,})"', source)) - {provider.name.upper() for provider in PROVIDERS}
    read -= {"OAUTHLIB_INSECURE_TRANSPORT"}
    read -= {"SECRET"}  # the half of a pair that a message names
    read |= {f"P_{suffix}" for suffix in re.findall(r'\{name\}_([A-Z_]+)"', source)}
    read |= {f"RATELIMIT_{word.upper()}" for word in RateLimits.__slots__}
    told = set(re.findall(r"`((?:P_)?[A-Z][A-Z_]{4,})`", SETTINGS)) - {
        provider.name.upper() for provider in PROVIDERS
    }
    assert told - {"P_CLIENT_ID", "P_CLIENT_SECRET"} == read - {"P_CLIENT_ID", "P_CLIENT_SECRET"}


# What an example needs beside it, or in place of a file that is nowhere here.
BESIDE = {
    "JWT_ALGORITHM": {"JWT_JWKS_URL": "https://app.example.com/jwks.json"},
    "JWT_JWKS_URL": {"JWT_ALGORITHM": "RS256"},
    "P_REDIRECT_URI": {"PUBLIC_URL": "https://connect.example.com"},
}


def setting_rows() -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in SETTINGS.splitlines() if line.startswith("| `")]


def test_every_setting_has_an_example() -> None:
    rows = setting_rows()
    assert len(rows) > 40
    assert all(len(row) == 4 and all(row) for row in rows)


def shown_examples() -> list[tuple[str, str]]:
    """Pair each setting with its example, where that is a value; a file of an operator's is left out."""
    pairs = []
    for names, *_, shown in setting_rows():
        settings, values = re.findall(r"`(\w+)`", names), re.findall(r"`([^`]+)`", shown)
        if len(settings) == len(values) and "`" + "`, `".join(values) + "`" == shown:
            pairs += [pair for pair in zip(settings, values, strict=True) if not pair[0].endswith("_FILE")]
    return pairs


@pytest.mark.parametrize(("name", "value"), shown_examples())
def test_the_example_of_a_setting_is_taken(name: str, value: str) -> None:
    beside = {"DATABASE_URL": "sqlite://"} if not name.endswith("DATABASE_URL") else {}
    if name == "MIGRATION_DATABASE_URL":
        beside = {"DATABASE_URL": dict(shown_examples())["DATABASE_URL"]}
    given = {name.replace("P_", "GITHUB_", 1) if name.startswith("P_") else name: value}
    Config.from_env({**base_settings(), **beside, **BESIDE.get(name, {}), **given})


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_every_provider_is_documented(provider: Provider) -> None:
    line = next(line for line in PROVIDERS_TOLD.splitlines() if line.startswith(f"| {provider.name} |"))
    assert f"`{provider.name.upper()}_CLIENT_ID`" in line
    assert f"/api/connections/{provider.service.name}/callback" in line


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_every_provider_is_explained_step_by_step(provider: Provider) -> None:
    told = dict(sections(PROVIDERS_TOLD))[provider.name]
    assert re.findall(r"^([0-9])\. ", told, re.MULTILINE)[:3] == ["1", "2", "3"]
    assert f"/api/connections/{provider.service.name}/callback`" in told
    for setting in ("CLIENT_ID", "CLIENT_SECRET"):
        assert f"`{provider.name.upper()}_{setting}`" in told
    for subject in ("Review", "Testing", "Tokens"):
        assert f"**{subject}.**" in told, subject
    if provider.name != "spotify":  # it has many, and none of them is reviewed
        assert not [scope for scope in provider.scopes if scope not in told]


@pytest.mark.parametrize("known", CONNECTION_TYPES, ids=lambda known: known.name)
def test_every_type_and_its_fields_are_documented(known: ConnectionType) -> None:
    rows = [line for line in API.splitlines() if re.search(rf"^\| [^|]*`{known.name}`[^|]*\|", line)]
    assert len(rows) == 1
    told = rows[0].split("|")[2]
    for field in known.fields:
        mark = f"*`{field.name}`*" if field.secret else f"`{field.name}`"
        assert mark in told and (field.secret or f"*{mark}*" not in told), field.name


@pytest.mark.parametrize("known", CONNECTION_TYPES, ids=lambda known: known.name)
def test_every_type_has_an_example_that_fits(known: ConnectionType) -> None:
    [body] = [body for body in EXAMPLES if body["type"] == known.name]
    assert set(body) == {"name", "type", "data"} and body["name"]
    assert known.check(body["data"]) == {}


def test_no_example_is_of_another_type() -> None:
    assert [body["type"] for body in EXAMPLES] == [known.name for known in CONNECTION_TYPES]


def test_the_examples_of_contributing_are_whole() -> None:
    told = [block for block in blocks("CONTRIBUTING.md") if block.language == "python"]
    assert len(told) == 2
    for block in told:
        ast.parse(re.sub(r"^   ", "", block.code, flags=re.MULTILINE))


# What documents say of each other and of the tree


def where(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", DOCUMENTS, ids=where)
def test_every_link_leads_somewhere(path: Path) -> None:
    for link in links(path):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_document_is_in_the_index() -> None:
    index = ROOT / "docs/README.md"
    listed = {(index.parent / link).resolve() for link in links(index)}
    assert {path for path in DOCUMENTS if path != index} <= listed
    assert index in {(ROOT / link).resolve() for link in links(ROOT / "README.md")}


@pytest.mark.parametrize("path", DOCUMENTS, ids=where)
def test_every_target_of_make_is_there(path: Path) -> None:
    text = path.read_text("utf-8")
    named = set(re.findall(r"(?:`|^ {4}|^)make ([a-z]+)", text, re.MULTILINE))
    assert named <= TARGETS


def test_a_number_in_the_readme_stands_beside_the_command_that_prints_it() -> None:
    """Outside code, a digit is a figure; a figure is a row that ends with its command."""
    said = re.sub(r"\]\([^)]*\)|<[^>]+>", "", without_code(without_figures(README)))
    assert not re.findall(r"^.*[0-9].*$", said, re.MULTILINE)
    for cells in figure_rows():
        assert len(cells) == 3 and re.search(r"[0-9]", cells[1])
        assert not re.search(r"[0-9]", cells[0])
        assert re.fullmatch(r"`make ([a-z]+)`", cells[2]) and cells[2][6:-1] in TARGETS


def without_figures(text: str) -> str:
    """Leave out the table of figures, and nothing else of its section."""
    rows = {f"| {' | '.join(cells)} |" for cells in figure_rows()}
    return "\n".join(line for line in text.splitlines() if line not in rows)


def figure_rows() -> list[list[str]]:
    table = [line for line in dict(sections(README))["Figures"].splitlines() if line.startswith("| ")]
    return [line.strip("| ").split(" | ") for line in table[1:]]


def test_what_make_figures_prints_is_what_the_readme_says() -> None:
    files = sorted((ROOT / "app").rglob("*.py"))
    sizes = figures.function_sizes(files)
    printed = [str(figures.cycles(figures.imports(files)))]
    printed.append(f"{sum(size < 20 for size in sizes) / len(sizes):.0%}")
    told = [cells[1].replace(" ", "") for cells in figure_rows() if cells[2] == "`make figures`"]
    assert told == printed


def test_the_ratios_that_are_wanted_are_those_that_make_bench_prints() -> None:
    table = re.findall(r"^\| `([a-z0-9-]+)` \|[^|]+\| ([0-9.]+) \|[^|]*\| ([0-9.]+) \|", SPEED, re.MULTILINE)
    told = {name: {"postgresql": float(one), "sqlite": float(other)} for name, one, other in table}
    assert told == {operation.name: operation.wanted for operation in OPERATIONS}


def test_the_map_of_the_readme_is_the_contract() -> None:
    contracts = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    [layers] = [one["layers"] for one in contracts if one["type"] == "layers"]
    [line] = [line for line in dict(sections(README))["The map"].splitlines() if line.startswith("    ")]
    assert line.strip().split(" → ") == layers


def test_every_diagram_has_the_form_that_is_drawn() -> None:
    """Who speaks has been introduced; a line is a message or a note."""
    drawn = [block for name in ("README.md", "docs/flows.md") for block in blocks(name)]
    sequences = [block.code.splitlines() for block in drawn if block.code.startswith("sequenceDiagram")]
    assert len(sequences) == 5
    for lines in sequences:
        known = {line.split()[1] for line in lines if line.strip().startswith("participant ")}
        for line in lines[1 + len(known) :]:
            found = re.fullmatch(r" +(?:(\w)-?->>(\w)|Note over (\w)): [^;#<>]+", line)
            assert found and {name for name in found.groups() if name} <= known, line
