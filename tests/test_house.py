"""The house rules that a linter does not know, and those that one does, kept as tests."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

from tests.support.databases import ROOT

APP = sorted((ROOT / "app").rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> Iterator[str]:
    """Yield every module that this file imports from app, deferred imports too."""
    package = module_name(path) if path.name == "__init__.py" else module_name(path).rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)


def test_import_contracts_hold() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    checked = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stdout
    assert " 0 broken" in checked.stdout, checked.stdout


@pytest.mark.parametrize("path", APP, ids=module_name)
def test_imports_stand_at_the_top(path: Path) -> None:
    """Neither in a function nor under TYPE_CHECKING, where they would hide a knot."""
    tree = ast.parse(path.read_text("utf-8"))
    top = {id(node) for node in tree.body}
    deferred = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in top
    ]
    calls = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute)
        and getattr(node, "id", getattr(node, "attr", "")) in ("__import__", "import_module", "TYPE_CHECKING")
    ]
    assert (deferred, calls) == ([], [])


def test_no_module_imports_itself_by_a_detour() -> None:
    """Each module waits for those it imports; an order in which all are served is no cycle.

    A name that a package takes from its own module is that module, so packages may list their parts.
    """
    names = {module_name(path) for path in APP}
    waiting = {
        module_name(path): {name for name in imported(path) if name in names} - {module_name(path)}
        for path in APP
    }
    for name, wanted in waiting.items():  # `from app.models import x` in app/models/x.py's siblings
        waiting[name] = {one for one in wanted if not any(other.startswith(f"{one}.") for other in wanted)}
    while ready := {name for name, wanted in waiting.items() if not wanted}:
        waiting = {name: wanted - ready for name, wanted in waiting.items() if name not in ready}
    assert waiting == {}


def test_the_graph_has_no_cycle_between_rooms() -> None:
    graph = grimp.build_graph("app", cache_dir=None)
    rooms = sorted(child for child in graph.find_children("app"))
    for one in rooms:
        for other in rooms:
            if one < other:
                there = graph.find_shortest_chain(one, other, as_packages=True)
                back = graph.find_shortest_chain(other, one, as_packages=True)
                assert there is None or back is None, (there, back)


def test_only_the_vault_encrypts() -> None:
    importing = {
        module_name(path)
        for path in APP
        if any(name.split(".")[0] in ("cryptography", "nacl", "Crypto") for name in imported(path))
    }
    assert importing == {"app.vault"}
